/// Ends a stream soon after its token was revoked.
#pragma once

#include "concurrency/task.hpp"
#include "http/message.hpp"
#include "workers/gateway/door/admission.hpp"

#include <chrono>

namespace omnibus::gateway {

/// Asks again from time to time whether a stream's token is valid. A revoked one is noticed within the interval and
/// the time to live of the token cache together. Admission and request must outlive it. Use it on the event loop only.
class TokenWatch {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds interval{10};

  TokenWatch(Admission& admission, http::Request const& request, Clock::time_point now)
      : admission_(admission), request_(request), due_(now + interval) {}

  /// False once the stream must end. While the database does not answer, it may go on. Costs nothing until it is due.
  Task<bool> holds(Clock::time_point now);

 private:
  Admission& admission_;
  http::Request const& request_;
  Clock::time_point due_;
};

}  // namespace omnibus::gateway
