/// Prevents retries from overloading a failing service.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace omnibus {

/// Every first attempt earns a part of a retry, every retry spends one. A small rate is free, so that a worker with
/// little traffic can retry, too. After the retry budgets of Finagle and gRPC (A6, "retry throttling"). Time is passed
/// in. Not thread-safe.
class RetryBudget {
 public:
  using Clock = std::chrono::steady_clock;

  /// @param ratio retries per first attempt in the long run
  /// @param floor_per_second retries that are always allowed
  /// @param most the largest saved budget
  explicit RetryBudget(double ratio = 0.2, double floor_per_second = 1, double most = 100)
      : ratio_{ratio}, floor_{floor_per_second}, most_{most}, saved_{std::min(most, 10.0)} {}

  void earn(std::size_t attempts = 1) { saved_ = std::min(most_, saved_ + ratio_ * static_cast<double>(attempts)); }

  /// @return whether a retry may be made now; if so it is spent.
  bool spend(Clock::time_point now) {
    if (last_ != Clock::time_point{}) saved_ += floor_ * std::chrono::duration<double>(now - last_).count();
    last_ = now;
    saved_ = std::min(saved_, most_);
    if (saved_ < 1) return false;
    saved_ -= 1;
    return true;
  }

 private:
  double ratio_;
  double floor_;
  double most_;
  double saved_;
  Clock::time_point last_{};
};

}  // namespace omnibus
