#pragma once

#include <chrono>

namespace omnibus {

/// Receives SIGTERM and SIGINT for a program that waits for them. Create it before any other thread, as threads
/// inherit that the two are blocked.
class StopSignals {
 public:
  StopSignals();

  /// Waits for one of them. Blocks; one thread.
  void wait();
  /// The same. @return whether one came within `limit`.
  bool wait_for(std::chrono::milliseconds limit);
};

}  // namespace omnibus
