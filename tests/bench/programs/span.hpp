/// How long so many of something took, the second half apart.
#pragma once

#include "usage.hpp"

#include <chrono>
#include <cstdint>

namespace omnibus::bench {

/// Looks at the clock only where something is measured from: a look for each event would be part of its cost.
class Span {
 public:
  explicit Span(std::uint64_t records) : records_{records}, half_{records / 2} {}

  /// The first call counts.
  void begin() {
    if (begun_ == Clock::time_point{}) begun_ = Clock::now();
  }
  /// @return true for the last one.
  bool count(std::uint64_t more = 1) {
    auto const before = count_;
    count_ += more;
    if (before < half_ && count_ >= half_) half_time_ = Clock::now();
    if (before >= records_ || count_ < records_) return false;
    ended_ = Clock::now();
    cpu_ = bench::cpu_seconds();
    return true;
  }

  std::uint64_t counted() const { return count_; }
  bool done() const { return count_ >= records_; }
  /// From the first one's beginning to the last one's end, or until now.
  double seconds() const { return begun_ == Clock::time_point{} ? 0 : since(begun_, done() ? ended_ : Clock::now()); }
  double rate() const { return seconds() > 0 ? static_cast<double>(done() ? records_ : count_) / seconds() : 0; }
  /// Of the second half; 0 until it is over.
  double steady_rate() const {
    auto const time = done() ? since(half_time_, ended_) : 0;
    return time > 0 ? static_cast<double>(records_ - half_) / time : 0;
  }
  /// Of the whole process, from its start to the last one's end.
  double cpu_seconds() const { return done() ? cpu_ : bench::cpu_seconds(); }

 private:
  using Clock = std::chrono::steady_clock;
  static double since(Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double>{to - from}.count();
  }

  std::uint64_t const records_;
  std::uint64_t const half_;
  std::uint64_t count_ = 0;
  Clock::time_point begun_;
  Clock::time_point half_time_;
  Clock::time_point ended_;
  double cpu_ = 0;
};

}  // namespace omnibus::bench
