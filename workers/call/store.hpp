/// What the call worker keeps.
#pragma once

#include "events/call.hpp"
#include "events/notification.hpp"
#include "handler/context.hpp"
#include "sessions/session.hpp"

#include <optional>
#include <string>

namespace omnibus::call {

/// Calls and their people as the call worker reads and writes them. Belongs to the event loop; what takes a unit of
/// work is called on a thread of the pool.
class CallStore {
 public:
  virtual ~CallStore() = default;

  /// The summary that somebody wrote for the call into `call_summaries`.
  virtual Task<std::optional<std::string>> find_summary(Context& context, CallTerminated const& call) = 0;

  /// The person's session, to be followed up, with the call and its summary in the context that the channels share.
  /// @throws Failure (permanent) for an unknown or inactive tenant.
  virtual sessions::Session open_follow_up(UnitOfWork& unit, CallTerminated const& call,
                                           std::optional<std::string> const& told) = 0;

  /// As sessions::request_notification().
  virtual void request_notification(UnitOfWork& unit, NotificationRequested const& request) = 0;
};

/// The same in PostgreSQL: all the SQL of the call worker.
class PostgresCalls final : public CallStore {
 public:
  Task<std::optional<std::string>> find_summary(Context& context, CallTerminated const& call) override;
  sessions::Session open_follow_up(UnitOfWork& unit, CallTerminated const& call,
                                   std::optional<std::string> const& told) override;
  void request_notification(UnitOfWork& unit, NotificationRequested const& request) override;
};

}  // namespace omnibus::call
