/// Waiting for something that everybody needs.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

namespace omnibus::engine {

/// Closed by the first outage; lets one probe through after a delay that doubles up to a limit, and opens when a probe
/// ends in anything but an outage. Time is passed in. Not thread-safe: it belongs to the event loop.
class OutageGate {
 public:
  using Clock = std::chrono::steady_clock;

  OutageGate(std::chrono::milliseconds first_delay, std::chrono::milliseconds longest_delay)
      : first_{first_delay}, longest_{longest_delay}, delay_{first_delay} {}

  bool open() const { return state_ == State::open; }
  /// Whether a probe is out.
  bool probing() const { return state_ == State::probing; }
  /// When the next probe may go; nothing while the gate is open or a probe is out.
  std::optional<Clock::time_point> probe_at() const {
    return state_ == State::closed ? std::optional{probe_at_} : std::nullopt;
  }

  /// Asks to start one piece of work. While closed only the due probe is let through.
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

  /// A piece of work ended otherwise: whatever was away is back. @return true when this opened the gate.
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
