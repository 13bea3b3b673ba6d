/// How fast records are read when enough are known that may start.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace omnibus::engine {

/// A bucket of records that may be read (token bucket). It is full at first, and what is not used is saved up to
/// `burst`. Not thread-safe.
class ReadPace {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds interval{10};

  struct Limit {
    std::uint32_t rate = 0;   ///< records an interval; 0: as many as there are
    std::uint32_t burst = 0;  ///< at once
  };

  /// How many may be read now.
  std::size_t allowed(Clock::time_point now, Limit limit) {
    auto const passed = static_cast<std::size_t>(std::max<Clock::rep>((now - filled_) / interval, 0));
    filled_ += passed * interval;
    // More than it takes to fill the bucket is as good, and cannot overflow.
    saved_ = std::min<std::size_t>(limit.burst, saved_ + std::min<std::size_t>(passed, limit.burst) * limit.rate);
    return saved_;
  }
  void read(std::size_t records) { saved_ -= std::min(saved_, records); }
  /// When there will be some more.
  Clock::time_point next() const { return filled_ + interval; }

 private:
  Clock::time_point filled_{};  // long ago
  std::size_t saved_ = 0;
};

}  // namespace omnibus::engine
