#include "http/admin_server.hpp"

#include "http/server.hpp"
#include "observability/log.hpp"
#include "observability/metrics.hpp"

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

Task<Response> live(Request const&) {
  co_return text_response(200, "alive\n");
}

Task<Response> metrics(Request const&) {
  co_return text_response(200, exposition(), std::string(exposition_content_type));
}

Task<Response> ready(std::shared_ptr<Checks const> checks) {
  co_return checks->answer();
}

Router routes(std::shared_ptr<Checks const> checks) {
  Router router;
  router.get("/livez", live);
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
      : server(context.get_executor(), settings_for(address, port), routes(checks)) {
    server.start();
    log::info("metrics listening", {{"address", written(address, server.port())}});
    thread = std::thread([this] { context.run(); });
  }
  ~Implementation() {
    context.stop();
    thread.join();
  }

  std::shared_ptr<Checks> checks = std::make_shared<Checks>();
  boost::asio::io_context context{1};
  Server server;
  std::thread thread;
};

AdminServer::AdminServer(std::string address, std::uint16_t port)
    : implementation_(std::make_unique<Implementation>(address, port)) {}

AdminServer::~AdminServer() = default;

std::shared_ptr<AdminServer::Check> AdminServer::add_check(std::string name) {
  return implementation_->checks->add(std::move(name));
}

std::uint16_t AdminServer::port() const {
  return implementation_->server.port();
}

}  // namespace omnibus::http
