#include "http/admin_server.hpp"

#include "http/server.hpp"
#include "observability/log.hpp"
#include "observability/log_output.hpp"
#include "observability/metrics.hpp"

#include <algorithm>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

namespace omnibus::http {
namespace {

/// The checks of one process; the server's routes share it.
class Checks {
 public:
  std::shared_ptr<AdminServer::Check> add(std::string name) {
    auto check = std::make_shared<AdminServer::Check>(std::move(name));
    std::scoped_lock const lock(mutex_);
    checks_.push_back(check);
    return check;
  }

  Response answer() const {
    std::scoped_lock const lock(mutex_);
    int status = checks_.empty() ? 503 : 200;  // what is not asked for yet may not be there
    std::string body;
    for (auto const& check : checks_) {
      bool const ready = check->ready();
      if (!ready) status = 503;
      body += fmt::format("[{}] {}\n", ready ? '+' : '-', check->name());
    }
    body += status == 200 ? "ready\n" : "not ready\n";
    return text_response(status, std::move(body));
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<AdminServer::Check>> checks_;
};

/// The pulses of one process; the server's routes share it.
class Pulses {
 public:
  std::shared_ptr<AdminServer::Pulse> add(std::string name, std::chrono::milliseconds limit) {
    auto pulse = std::make_shared<AdminServer::Pulse>(std::move(name), limit);
    std::scoped_lock const lock(mutex_);
    pulses_.push_back(pulse);
    return pulse;
  }

  Response answer() const {
    std::scoped_lock const lock(mutex_);
    std::string missed;
    for (auto const& pulse : pulses_) {
      if (!pulse->is_missed()) continue;
      missed += fmt::format("[-] {}\n", pulse->name());
      log::error("a loop does not turn: the process answers /livez with 503", {{"loop", pulse->name()}});
    }
    return missed.empty() ? text_response(200, "alive\n") : text_response(503, missed + "not alive\n");
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<AdminServer::Pulse>> pulses_;
};

Task<Response> live(std::shared_ptr<Pulses const> pulses) {
  co_return pulses->answer();
}

Task<Response> metrics(Request const&) {
  co_return text_response(200, exposition(), std::string(exposition_content_type));
}

Task<Response> ready(std::shared_ptr<Checks const> checks) {
  co_return checks->answer();
}

Router routes(std::shared_ptr<Checks const> checks, std::shared_ptr<Pulses const> pulses) {
  Router router;
  router.get("/livez", [pulses = std::move(pulses)](Request const&) { return live(pulses); });
  router.get("/metrics", metrics);
  router.get("/readyz", [checks = std::move(checks)](Request const&) { return ready(checks); });
  return router;
}

ServerSettings settings_for(std::string address, std::uint16_t port) {
  ServerSettings settings;
  settings.address = std::move(address);
  settings.port = port;
  settings.max_header_bytes = 8 * 1024;
  settings.max_body_bytes = 1024;
  settings.max_connections = 64;
  settings.backlog = 64;
  return settings;
}

std::string written(std::string const& address, std::uint16_t port) {
  return address.find(':') == std::string::npos ? fmt::format("{}:{}", address, port)
                                                : fmt::format("[{}]:{}", address, port);
}

}  // namespace

struct AdminServer::Implementation {
  Implementation(std::string const& address, std::uint16_t port)
      : server(context.get_executor(), settings_for(address, port), routes(checks, pulses)) {
    server.start();
    log::info("metrics listening", {{"address", written(address, server.port())}});
    thread = std::thread([this] { context.run(); });
  }
  ~Implementation() {
    context.stop();
    thread.join();
  }

  std::shared_ptr<Checks> checks = std::make_shared<Checks>();
  std::shared_ptr<Pulses> pulses = std::make_shared<Pulses>();
  Counter lines_dropped = Metrics::process().counter<Metric::log_lines_dropped>();
  Metrics::Hook hook = Metrics::process().on_collect(
      [this] { lines_dropped.add(std::max(0.0, static_cast<double>(log::dropped_lines()) - lines_dropped.value())); });
  boost::asio::io_context context{1};
  Server server;
  std::thread thread;
};

bool AdminServer::Pulse::is_missed() const noexcept {
  auto const last = last_.load(std::memory_order_relaxed);
  return last != 0 && limit_ > limit_.zero() && Clock::now() - Clock::time_point{Clock::duration{last}} > limit_;
}

AdminServer::AdminServer(std::string address, std::uint16_t port)
    : implementation_(std::make_unique<Implementation>(address, port)) {}

AdminServer::~AdminServer() = default;

std::shared_ptr<AdminServer::Check> AdminServer::add_check(std::string name) {
  return implementation_->checks->add(std::move(name));
}

std::shared_ptr<AdminServer::Pulse> AdminServer::add_pulse(std::string name, std::chrono::milliseconds limit) {
  return implementation_->pulses->add(std::move(name), limit);
}

std::uint16_t AdminServer::port() const {
  return implementation_->server.port();
}

}  // namespace omnibus::http
