/// Requests messages to people, and logs them.
#pragma once

#include "events/notification.hpp"
#include "handler/failure.hpp"
#include "handler/unit_of_work.hpp"

namespace omnibus::sessions {

/// Requests a message, and writes it into `message_delivery_log` as planned, in the text of each of its
/// channels: so the session shows the message before its delivery has ended. The outcome is stored in the same row.
void request_notification(UnitOfWork& unit, NotificationRequested const& request);

/// Whether a person may be told that an event failed for this reason: not if the tenant is unknown or inactive, or
/// if the person or the session was deleted.
bool can_be_told(Failure const& failure);

}  // namespace omnibus::sessions
