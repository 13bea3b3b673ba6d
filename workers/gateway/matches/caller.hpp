/// Who asks about matches, and reading as they may.
#pragma once

#include "concurrency/task.hpp"
#include "matches/requests.hpp"
#include "postgres/pool.hpp"
#include "uuid/uuid.hpp"
#include "workers/gateway/door/access_log.hpp"
#include "workers/gateway/door/admission.hpp"
#include "workers/gateway/door/principal.hpp"
#include "workers/gateway/door/refusal.hpp"
#include "workers/gateway/door/token_watch.hpp"
#include "workers/gateway/store.hpp"

#include <type_traits>
#include <utility>

#include <pqxx/pqxx>

namespace omnibus::gateway {

/// An admitted caller, acting within one tenant.
struct Caller {
  Principal principal;
  Scope scope;

  /// One who sees all of the tenant, not only what concerns themselves.
  bool is_staff() const { return principal.role == Role::operator_role || principal.role == Role::admin; }
};

/// What a client is told whose request cannot become an event: 404, 409 or 422.
Refusal refusal_of(matches::InvalidRequest const& invalid);

/// Admits callers of the routes about matches, and reads for them in transactions that row-level security confines to
/// what they may see. Use it on the event loop only.
class CallerReads {
 public:
  CallerReads(Admission& admission, AccessLog& access_log, Store& store, TransactionPool& pool)
      : admission_(admission), access_log_(access_log), store_(store), pool_(pool) {}

  /// The tenant is the caller's own; an operator of the installation names one by `?domain=`.
  /// @throws Refusal as Admission::admit, domain_of and require_tenant do.
  Task<Caller> admit(http::Request const& request, Needs needs);

  /// For a stream, which must not outlive its token.
  TokenWatch watch_token(http::Request const& request) { return {admission_, request, TokenWatch::Clock::now()}; }

  /// Logs that a person of the team reads the conversation of other people's agents.
  /// @throws what the store throws: then do not show it.
  Task<> note_reading(Caller const& caller, http::Request const& request, Uuid conversation_id);

  /// Runs `work(transaction)` on a thread of the pool. @throws Refusal for what InvalidRequest says, and as
  /// TransactionPool::run does.
  template <class Work>
  Task<std::invoke_result_t<Work&, pqxx::transaction_base&>> read(Scope scope, Work work) {
    auto job = [scope, work = std::move(work)](pqxx::connection& connection) mutable {
      pqxx::read_transaction transaction(connection);
      enter(transaction, scope);
      try {
        return work(static_cast<pqxx::transaction_base&>(transaction));
      } catch (matches::InvalidRequest const& invalid) {
        throw refusal_of(invalid);
      }
    };
    return pool_.run(std::move(job), std::move(scope.domain));
  }

 private:
  Admission& admission_;
  AccessLog& access_log_;
  Store& store_;
  TransactionPool& pool_;
};

}  // namespace omnibus::gateway
