/// The operator's endpoints of a process: alive, ready, metrics.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace omnibus::http {

/// Serves `/livez`, `/readyz` and `/metrics` on a separate thread and event loop, so that a busy worker also
/// answers. A process is ready when every registered check is, and alive while every registered pulse beats.
class AdminServer {
 public:
  /// One readiness check. Set it from any thread; it may outlive the server.
  class Check {
   public:
    explicit Check(std::string name) : name_(std::move(name)) {}
    void set(bool ready) noexcept { ready_.store(ready, std::memory_order_relaxed); }
    bool ready() const noexcept { return ready_.load(std::memory_order_relaxed); }
    std::string const& name() const noexcept { return name_; }

   private:
    std::string name_;
    std::atomic<bool> ready_{false};
  };

  /// The pulse of a loop that must go on turning, from its first beat until it rests. Any thread; it may outlive the
  /// server.
  class Pulse {
   public:
    using Clock = std::chrono::steady_clock;

    Pulse(std::string name, std::chrono::milliseconds limit) : name_(std::move(name)), limit_(limit) {}
    /// `waits`: for which the loop is about to wait, in addition to the limit.
    void beat(Clock::duration waits = {}) noexcept {
      last_.store((Clock::now() + waits).time_since_epoch().count(), std::memory_order_relaxed);
    }
    /// The loop has ended: it is not missed.
    void rest() noexcept { last_.store(0, std::memory_order_relaxed); }
    /// Whether the last beat is longer ago than the limit; never if that is zero.
    bool is_missed() const noexcept;
    std::string const& name() const noexcept { return name_; }

   private:
    std::string name_;
    std::chrono::milliseconds limit_;
    std::atomic<Clock::rep> last_{0};
  };

  /// Binds, logs `metrics listening` with the address, and serves until destroyed. Port 0 takes any free one.
  /// @throws boost::system::system_error with the address when it cannot be bound.
  AdminServer(std::string address, std::uint16_t port);
  /// Closes everything and joins the thread.
  ~AdminServer();
  AdminServer(AdminServer const&) = delete;
  AdminServer& operator=(AdminServer const&) = delete;

  /// Registers a check, not ready at first, that `/readyz` shows by this name. A process without a check is not ready.
  /// Thread-safe.
  std::shared_ptr<Check> add_check(std::string name);
  /// Registers a pulse: `/livez` fails, and says its name, while it misses a beat for longer than `limit`. Zero: never.
  /// Thread-safe.
  std::shared_ptr<Pulse> add_pulse(std::string name, std::chrono::milliseconds limit);
  /// The listening port.
  std::uint16_t port() const;

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace omnibus::http
