/// Pauses work during an outage.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

namespace omnibus::engine {

/// Closed by the first outage. Lets one probe through after a delay that doubles up to a limit. Opens when a probe
/// ends without an outage. Time is passed in. Not thread-safe: use it on the event loop only.
class OutageGate {
 public:
  using Clock = std::chrono::steady_clock;

  OutageGate(std::chrono::milliseconds first_delay, std::chrono::milliseconds longest_delay)
      : first_{first_delay}, longest_{longest_delay}, delay_{first_delay} {}

  bool open() const { return state_ == State::open; }
  /// Whether a probe is running.
  bool probing() const { return state_ == State::probing; }
  /// When the next probe may start; nothing while the gate is open or a probe is running.
  std::optional<Clock::time_point> probe_at() const {
    return state_ == State::closed ? std::optional{probe_at_} : std::nullopt;
  }

  /// Asks to start one piece of work. While closed, only the due probe may start.
  bool admit(Clock::time_point now) {
    if (state_ == State::open) return true;
    if (state_ == State::probing || now < probe_at_) return false;
    state_ = State::probing;
    return true;
  }

  /// A piece of work met the outage. Several at once count as one.
  void outage(Clock::time_point now) {
    if (state_ == State::closed) return;
    delay_ = state_ == State::probing ? std::min(delay_ * 2, longest_) : first_;
    state_ = State::closed;
    probe_at_ = now + delay_;
  }

  /// A piece of work ended in any other way: the outage is over. @return true when this opened the gate.
  bool passed() {
    if (state_ == State::open) return false;
    state_ = State::open;
    return true;
  }

 private:
  enum class State { open, closed, probing };
  std::chrono::milliseconds first_;
  std::chrono::milliseconds longest_;
  std::chrono::milliseconds delay_;
  State state_ = State::open;
  Clock::time_point probe_at_{};
};

}  // namespace omnibus::engine
