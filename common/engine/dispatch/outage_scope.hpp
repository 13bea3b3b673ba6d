/// Tells an outage that all events meet from one that is a single event's own, and a slow database from a slow event.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace omnibus::engine {

/// Remembers what the database did for the last events. Time is passed in; events are named by any number. Not
/// thread-safe: use it on the event loop only.
class OutageScope {
 public:
  using Clock = std::chrono::steady_clock;

  /// A transaction of this event ended well.
  void succeeded(std::uint64_t event, Clock::time_point now) {
    if (event != latest_event_) {
      other_ = latest_;
      latest_event_ = event;
    }
    latest_ = now;
    remember({event, false});
  }

  /// A transaction of this event ended because it took too long.
  void timed_out(std::uint64_t event) { remember({event, true}); }

  /// Whether another event's transaction ended well since then: what fails now is not down for all.
  bool others_succeeded_since(std::uint64_t event, Clock::time_point since) const {
    return (event == latest_event_ ? other_ : latest_) >= since;
  }

  /// Whether most of the last transactions timed out, of several events: then no event is the cause.
  bool is_slow() const {
    auto const known = std::min(count_, recent_.size());
    if (known < fewest) return false;
    std::size_t slow = 0;
    std::array<std::uint64_t, several> events{};
    std::size_t distinct = 0;
    for (std::size_t i = 0; i < known; ++i) {
      if (!recent_[i].timed_out) continue;
      ++slow;
      auto const* const end = events.begin() + distinct;
      if (distinct < several && std::find(events.cbegin(), end, recent_[i].event) == end)
        events[distinct++] = recent_[i].event;
    }
    return 2 * slow > known && distinct == several;
  }

 private:
  struct Outcome {
    std::uint64_t event = 0;
    bool timed_out = false;
  };
  static constexpr std::size_t fewest = 4;
  static constexpr std::size_t several = 3;

  void remember(Outcome outcome) { recent_[count_++ % recent_.size()] = outcome; }

  std::uint64_t latest_event_ = 0;
  Clock::time_point latest_{};
  Clock::time_point other_{};
  std::array<Outcome, 32> recent_{};
  std::size_t count_ = 0;
};

}  // namespace omnibus::engine
