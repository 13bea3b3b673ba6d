/// The data of the call worker.
#pragma once

#include "events/call.hpp"
#include "events/notification.hpp"
#include "handler/context.hpp"
#include "sessions/session.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace omnibus::call {

/// Reads and writes calls and their people for the call worker. Use it on the event loop; functions with a unit of
/// work run on a thread of the pool.
class CallStore {
 public:
  virtual ~CallStore() = default;

  /// The summary of the call in `call_summaries`, if there is one.
  virtual Task<std::optional<std::string>> find_summary(Context& context, CallTerminated const& call) = 0;

  /// The person's session, to follow up, with the call and its summary in the context that the channels share.
  /// @param record_key kept as the person's subject key if it is one
  /// @throws Failure (permanent) for an unknown or inactive tenant.
  virtual sessions::Session open_follow_up(UnitOfWork& unit, CallTerminated const& call, std::string_view record_key,
                                           std::optional<std::string> const& told) = 0;

  /// As sessions::request_notification().
  virtual void request_notification(UnitOfWork& unit, NotificationRequested const& request) = 0;
};

/// The same in PostgreSQL: all SQL of the call worker.
class PostgresCalls final : public CallStore {
 public:
  Task<std::optional<std::string>> find_summary(Context& context, CallTerminated const& call) override;
  sessions::Session open_follow_up(UnitOfWork& unit, CallTerminated const& call, std::string_view record_key,
                                   std::optional<std::string> const& told) override;
  void request_notification(UnitOfWork& unit, NotificationRequested const& request) override;
};

}  // namespace omnibus::call
