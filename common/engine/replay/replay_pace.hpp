/// Measures the speed of a replay.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <utility>

namespace omnibus::engine {

/// The rate over the last seconds. Time is passed in.
class Pace {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds window{10};

  /// Records the amount done by now, counted from the beginning.
  void add(Clock::time_point now, std::uint64_t done) {
    samples_.emplace_back(now, done);
    while (samples_.size() > 2 && now - samples_[1].first >= window) samples_.pop_front();
  }

  double per_second() const {
    if (samples_.size() < 2) return 0;
    auto const seconds = std::chrono::duration<double>{samples_.back().first - samples_.front().first}.count();
    return seconds > 0 ? static_cast<double>(samples_.back().second - samples_.front().second) / seconds : 0;
  }

 private:
  std::deque<std::pair<Clock::time_point, std::uint64_t>> samples_;
};

}  // namespace omnibus::engine
