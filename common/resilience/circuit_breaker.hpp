/// Stops calls to a failing service, and probes when it works again.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace omnibus {

struct BreakerSettings {
  int failure_threshold = 5;                    ///< failures in a row that open it
  std::chrono::milliseconds open_time{60'000};  ///< wait until a probe
};

/// Closed, it lets every call through and counts failures in a row. Open, it lets none through. After `open_time` it is
/// half open and lets one call probe: success closes it, failure opens it again. Results of calls that began before
/// its state changed do not count. Time is passed in. Any thread may use it: the event loops of a process share one, so
/// that its limits are the process's. The listener is called under its lock and must not use the breaker.
class CircuitBreaker {
 public:
  using Clock = std::chrono::steady_clock;
  enum class State { closed, half_open, open };
  using Listener = std::function<void(State entered)>;

  explicit CircuitBreaker(BreakerSettings settings = {}, Listener listener = {})
      : settings_(settings), listener_(std::move(listener)) {}
  CircuitBreaker(CircuitBreaker const&) = delete;
  CircuitBreaker& operator=(CircuitBreaker const&) = delete;

  /// The right to make one call. Report how it ended. A permit that is dropped without a report counts as neither,
  /// and a probe's slot is free again. Must not outlive its breaker.
  class Permit {
   public:
    Permit(Permit&& other) noexcept
        : breaker_(std::exchange(other.breaker_, nullptr)), generation_(other.generation_) {}
    Permit& operator=(Permit&&) = delete;
    ~Permit() { release(); }
    void succeeded() { settle(true, {}); }
    void failed(Clock::time_point now) { settle(false, now); }

   private:
    friend class CircuitBreaker;
    Permit(CircuitBreaker* breaker, std::uint64_t generation) : breaker_(breaker), generation_(generation) {}
    void settle(bool success, Clock::time_point now);
    void release();
    CircuitBreaker* breaker_;
    std::uint64_t generation_;
  };

  /// Asks to make a call: nothing when it must not be made.
  std::optional<Permit> acquire(Clock::time_point now);
  State state() const;
  /// The wait until a call may be let through: zero unless open.
  std::chrono::milliseconds wait_time(Clock::time_point now) const;

 private:
  void enter(State state);

  BreakerSettings const settings_;
  Listener const listener_;
  mutable std::mutex mutex_;
  State state_ = State::closed;
  int failures_ = 0;
  bool probing_ = false;
  std::uint64_t generation_ = 0;
  Clock::time_point opened_{};
};

std::string_view to_string(CircuitBreaker::State state);

/// A breaker per key, such as `https://api.example.com:443 gpt-4o`. Keys are few and ours: they are never removed. Any
/// thread may use it.
class CircuitBreakers {
 public:
  using Listener = std::function<void(std::string const& key, CircuitBreaker::State entered)>;
  explicit CircuitBreakers(BreakerSettings settings = {}, Listener listener = {})
      : settings_(settings), listener_(std::move(listener)) {}

  /// The breaker of that key, created at its first use. Lives as long as this object.
  CircuitBreaker& at(std::string_view key);

 private:
  BreakerSettings const settings_;
  Listener const listener_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<CircuitBreaker>, std::less<>> breakers_;
};

}  // namespace omnibus
