/// The erasure of a person.
#pragma once

#include "events/gdpr.hpp"
#include "handler/context.hpp"
#include "workers/gdpr/erasure/erasure_pace.hpp"
#include "workers/gdpr/erasure/erasure_store.hpp"
#include "workers/gdpr/erasure/topic_log.hpp"
#include "workers/gdpr/requests/audit_log.hpp"
#include "workers/gdpr/requests/request_store.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::gdpr {

/// Erases a person in steps, each of which can be repeated: after a crash the erasure goes on where it was. Once it has
/// begun, events about the person wait. They go on when it ends: what stands in the topics before its end is refused,
/// what comes later is a new person's. Keeps references to all four.
class Erasure {
 public:
  static constexpr std::size_t at_once = 4;  ///< erasures of a process

  /// @param most erasures at once
  Erasure(RequestStore& requests, AuditLog& audit, ErasureStore& store, TopicLog& log, std::size_t most)
      : requests_{requests}, audit_{audit}, store_{store}, log_{log}, pace_{most} {}

  /// Works on a request that no other request keeps waiting, and ends the event: completed, or held by a legal hold.
  Task<> run(Context& context, GdprDeletionRequested const& request);

 private:
  using Keys = ErasureStore::Keys;

  Task<> fill_keys(Context& context, GdprDeletionRequested const& request);
  Task<> count(Context& context, GdprDeletionRequested const& request, ErasedPerson const& person);
  /// @return false when a legal hold keeps the person; then the event has ended.
  Task<bool> begin(Context& context, GdprDeletionRequested const& request, ErasedPerson const& person);
  /// Adds what came before it had begun. @return all keys
  Task<Keys> widen(Context& context, GdprDeletionRequested const& request);
  Task<> erase_rows(Context& context, GdprDeletionRequested const& request, Keys const& keys);
  Task<> detach_telemetry(Context& context, GdprDeletionRequested const& request, Keys const& keys);
  /// @throws Failure (deferred) while workers may be publishing records about the person.
  Task<> empty_outbox(Context& context, GdprDeletionRequested const& request, Keys const& keys);
  Task<> drop_letters(Context& context, GdprDeletionRequested const& request, Keys const& keys);
  Task<> finish(Context& context, GdprDeletionRequested const& request);

  /// Repeats `change` in transactions until one changes less than a batch; counts under `name`.
  Task<> in_batches(Context& context, GdprDeletionRequested const& request, std::string name,
                    std::function<std::int64_t(UnitOfWork&)> change);
  /// Notes that a step is done, once.
  Task<> note(Context& context, GdprDeletionRequested const& request, std::string action,
              std::vector<GdprCount> counts = {});

  RequestStore& requests_;
  AuditLog& audit_;
  ErasureStore& store_;
  TopicLog& log_;
  ErasurePace pace_;
};

}  // namespace omnibus::gdpr
