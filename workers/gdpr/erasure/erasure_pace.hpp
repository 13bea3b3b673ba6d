/// How fast people are erased.
#pragma once

#include "concurrency/task.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <utility>

namespace omnibus::gdpr {

/// Lets a few erasures go on at a time, each with rests between its steps: an erasure has hours, and those who write
/// meanwhile have not. Use it on the event loop only.
class ErasurePace {
 public:
  /// One of the erasures that go on, for as long as it lives; it may outlive the pace.
  class Turn {
   public:
    explicit Turn(std::shared_ptr<std::size_t> running) : running_{std::move(running)} { ++*running_; }
    Turn(Turn&&) = default;
    Turn(Turn const&) = delete;
    Turn& operator=(Turn const&) = delete;
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (running_) --*running_;
    }

   private:
    std::shared_ptr<std::size_t> running_;
  };

  explicit ErasurePace(std::size_t most) : most_{most} {}

  /// Waits until another erasure may go on.
  Task<Turn> turn();
  /// Waits for the time between two steps.
  static Task<> rest();

 private:
  std::size_t most_;
  std::shared_ptr<std::size_t> running_ = std::make_shared<std::size_t>(0);
};

}  // namespace omnibus::gdpr
