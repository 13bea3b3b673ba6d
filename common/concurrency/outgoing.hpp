/// Whether this process may reach anyone outside.
#pragma once

#include <stdexcept>
#include <string_view>

namespace omnibus {

/// Something was about to leave a process that must not reach anyone: a fault of the caller.
class OutgoingRefused : public std::logic_error {
 public:
  using logic_error::logic_error;
};

/// While one exists, every Kafka producer, HTTP client and mailer of the process throws OutgoingRefused instead of
/// sending. A replay holds one, so that no handler can reach people or spend money by mistake. Any thread.
class OutgoingBan {
 public:
  OutgoingBan();
  ~OutgoingBan();
  OutgoingBan(OutgoingBan const&) = delete;
  OutgoingBan& operator=(OutgoingBan const&) = delete;
};

/// Called before anything is sent; `what` is sent, as "an HTTP request". Any thread.
/// @throws OutgoingRefused while an OutgoingBan exists.
void require_outgoing(std::string_view what);

}  // namespace omnibus
