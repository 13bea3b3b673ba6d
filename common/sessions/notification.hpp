/// What people are to be told, as it is asked for and kept.
#pragma once

#include "events/notification.hpp"
#include "handler/failure.hpp"
#include "handler/unit_of_work.hpp"

namespace omnibus::sessions {

/// Asks for a message to be sent, and writes it into `message_delivery_log` as planned, in the words of each of its
/// channels: whoever reads the session sees what we said before its delivery has ended. That ends in the same row.
void request_notification(UnitOfWork& unit, NotificationRequested const& request);

/// Whether a person may be told that his event failed for this reason: not when his tenant is unknown or inactive, and
/// not when he or his session was deleted.
bool can_be_told(Failure const& failure);

}  // namespace omnibus::sessions
