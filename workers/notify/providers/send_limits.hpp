/// Rate limits of a provider: for all messages together, and for one person.
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <string_view>
#include <unordered_map>

namespace omnibus::notify {

struct SendLimitSettings {
  double per_second = 0;                            ///< of the provider on average; 0: no limit
  std::size_t burst = 1;                            ///< this many at once after a pause
  std::chrono::milliseconds recipient_interval{0};  ///< between two messages to one person; 0: no limit
  std::chrono::milliseconds longest_wait{0};        ///< a longer wait is refused
  std::size_t max_recipients = 100'000;             ///< people remembered at once; above, refused
};

/// Assigns sending times. Time is passed in. Any thread may use it. A person is remembered only until the next message
/// is allowed, and by a hash: two people with the same hash wait for each other, which does no harm.
class SendLimits {
 public:
  using Clock = std::chrono::steady_clock;

  explicit SendLimits(SendLimitSettings settings) : settings_(settings) {}

  /// An assigned time, or how long it would take until there is one.
  struct Place {
    bool given = false;
    Clock::duration wait{0};  ///< until the time, or until it is worth asking again
  };
  /// The next time for a message to that person. It is taken, even if it is not used.
  Place of_recipient(std::string_view recipient, Clock::time_point now);
  /// The next time among all messages. Ask for it when the person's own time has come.
  Place of_provider(Clock::time_point now);

  std::size_t recipients() const;

 private:
  void forget_past(Clock::time_point now);

  SendLimitSettings const settings_;
  mutable std::mutex mutex_;
  Clock::time_point next_{};  ///< when the next message would go if there were no bursts
  std::unordered_map<std::size_t, Clock::time_point> recipients_;  ///< the time of their next allowed message
  std::size_t sweep_at_ = 1024;
  Clock::time_point swept_{};
};

}  // namespace omnibus::notify
