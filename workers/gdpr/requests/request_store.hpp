/// The rows of requests.
#pragma once

#include "events/gdpr.hpp"
#include "handler/context.hpp"
#include "handler/unit_of_work.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace pqxx {
class connection;
}

namespace omnibus::gdpr {

/// The kinds of request, as they are stored.
inline constexpr std::string_view export_kind = "export";
inline constexpr std::string_view deletion_kind = "delete";

/// How a request stands.
struct RequestState {
  std::string status;                    ///< received, held, running, completed or failed
  std::optional<std::string> waits_for;  ///< the id of another request of the person that goes first
};
BOOST_DESCRIBE_STRUCT(RequestState, (), (status, waits_for))

/// A deletion of which the topics hold nothing any more.
struct ClearedRequest {
  Uuid request_id;
  std::string domain, subject_key;
};
BOOST_DESCRIBE_STRUCT(ClearedRequest, (), (request_id, domain, subject_key))

/// Where requests are. A request is received, running, then completed or failed; a deletion may be held in between.
class RequestStore {
 public:
  virtual ~RequestStore() = default;
  /// Notes a request, unless it is there. @return false when the domain is no tenant, or the request another tenant's
  virtual bool receive(UnitOfWork& unit, GdprRequest const& request, std::string_view kind) = 0;
  /// A deletion waits for the open exports of the person and for earlier deletions; an export waits for a deletion
  /// that runs.
  virtual Task<RequestState> look(Context& context, GdprRequest const& request) = 0;
  virtual void begin(UnitOfWork& unit, Uuid const& request) = 0;
  /// Sets a deletion aside until the legal holds end. @param until RFC 3339 or `infinity`
  /// @param keys of everybody of whom something goes: the request waits for holds on those that it did not name, too
  virtual void hold(UnitOfWork& unit, Uuid const& request, std::string const& until,
                    std::set<std::string> const& keys) = 0;
  /// Adds to the request's counts.
  virtual void count(UnitOfWork& unit, Uuid const& request, std::vector<GdprCount> const& counts) = 0;
  /// @param log_clear_ms when the topics hold nothing of the person any more, in ms since 1970
  virtual void complete(UnitOfWork& unit, Uuid const& request, std::optional<std::int64_t> log_clear_ms) = 0;
  virtual void fail(UnitOfWork& unit, Uuid const& request, std::string_view error_class) = 0;
  /// Whether a deletion is past its log_clear_at and not confirmed.
  virtual Task<bool> awaits_clear_log(Context& context) = 0;
  /// Confirms the deletions whose positions the log has passed. @param starts {topic: {partition: offset}}, the first
  /// kept ones of topics with personal data. @return them
  virtual std::vector<ClearedRequest> confirm_clear(UnitOfWork& unit, std::string const& starts) = 0;
  /// The held deletions of which no hold is left: they are received again.
  virtual std::vector<GdprDeletionRequested> release(UnitOfWork& unit) = 0;
};

/// Those in PostgreSQL. Any thread may use it.
class PostgresRequests final : public RequestStore {
 public:
  bool receive(UnitOfWork& unit, GdprRequest const& request, std::string_view kind) override;
  Task<RequestState> look(Context& context, GdprRequest const& request) override;
  static RequestState look_over(pqxx::connection& connection, Uuid const& request);
  void begin(UnitOfWork& unit, Uuid const& request) override;
  void hold(UnitOfWork& unit, Uuid const& request, std::string const& until,
            std::set<std::string> const& keys) override;
  void count(UnitOfWork& unit, Uuid const& request, std::vector<GdprCount> const& counts) override;
  void complete(UnitOfWork& unit, Uuid const& request, std::optional<std::int64_t> log_clear_ms) override;
  void fail(UnitOfWork& unit, Uuid const& request, std::string_view error_class) override;
  Task<bool> awaits_clear_log(Context& context) override;
  std::vector<ClearedRequest> confirm_clear(UnitOfWork& unit, std::string const& starts) override;
  std::vector<GdprDeletionRequested> release(UnitOfWork& unit) override;
};

/// All subject keys that a request names.
std::vector<std::string> named_keys(GdprRequest const& request);

}  // namespace omnibus::gdpr
