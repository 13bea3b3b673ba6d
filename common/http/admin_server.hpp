/// The operator's endpoints of a process: alive, ready, metrics.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace omnibus::http {

/// Serves `/livez`, `/readyz` and `/metrics` on a separate thread and event loop, so that a busy worker also
/// answers. A process is ready when every registered check is, or when there are none.
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
  /// The listening port.
  std::uint16_t port() const;

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace omnibus::http
