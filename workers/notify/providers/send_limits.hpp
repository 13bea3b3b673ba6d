/// How fast a provider may be given messages: by all of us together, and for one person.
#pragma once

#include <chrono>
#include <cstddef>
#include <string_view>
#include <unordered_map>

namespace omnibus::notify {

struct SendLimitSettings {
  double per_second = 0;                            ///< of the provider in the long run; 0 for no limit
  std::size_t burst = 1;                            ///< so many at once after a pause
  std::chrono::milliseconds recipient_interval{0};  ///< between two messages to one person; 0 for no limit
  std::chrono::milliseconds longest_wait{0};        ///< who would wait longer is refused
  std::size_t max_recipients = 100'000;             ///< people remembered at once; one more is refused
};

/// Gives out places in time. Pure: time is passed in. Not thread-safe. A person is remembered only until they may be
/// written to again, and by a hash: two who share one wait for each other, which harms nobody.
class SendLimits {
 public:
  using Clock = std::chrono::steady_clock;

  explicit SendLimits(SendLimitSettings settings) : settings_(settings) {}

  /// A place that was given, or how long it would take until one could be.
  struct Place {
    bool given = false;
    Clock::duration wait{0};  ///< until the place, or until it is worth asking again
  };
  /// The next place for a message to that person. It is taken, whether it is used or not.
  Place of_recipient(std::string_view recipient, Clock::time_point now);
  /// The next place among all messages. Ask for it when the person's own place has come.
  Place of_provider(Clock::time_point now);

  std::size_t recipients() const { return recipients_.size(); }

 private:
  void forget_past(Clock::time_point now);

  SendLimitSettings settings_;
  Clock::time_point next_{};  ///< when the next message would go if there were no bursts
  std::unordered_map<std::size_t, Clock::time_point> recipients_;  ///< from when on they may be written to
  std::size_t sweep_at_ = 1024;
  Clock::time_point swept_{};
};

}  // namespace omnibus::notify
