#include "http/server.hpp"

#include "http/server_connection.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

namespace omnibus::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::size_t max_rejecting = 64;  // connections that are told that there are too many

}  // namespace

class Server::Implementation final : public ServerConnections, public std::enable_shared_from_this<Implementation> {
 public:
  Implementation(asio::any_io_executor executor, ServerSettings its_settings, Router its_router,
                 RequestObserver its_observer)
      : ServerConnections(std::move(its_settings), std::move(its_router), std::move(its_observer)),
        executor_(std::move(executor)),
        strand_(asio::make_strand(executor_)),
        acceptor_(strand_),
        drained_(strand_) {}

  void start();
  static Task<> stop(std::shared_ptr<Implementation> self, std::chrono::milliseconds deadline);
  void close_now();

  std::atomic<std::uint16_t> port{0};

 private:
  static Task<> accept(std::shared_ptr<Implementation> self);
  static Task<> drain(std::shared_ptr<Implementation> self, std::chrono::milliseconds deadline);
  void emptied() override {
    asio::post(strand_, [self = shared_from_this()] { self->drained_.cancel(); });
  }

  asio::any_io_executor executor_;
  asio::any_io_executor strand_;
  tcp::acceptor acceptor_;
  asio::steady_timer drained_;
};

void Server::Implementation::start() {
  error_code error;
  auto const address = asio::ip::make_address(settings.address, error);
  auto const fail = [&](char const* what) {
    if (error) {
      throw boost::system::system_error(
          error, fmt::format("{} {}:{}: set another listen address", what, settings.address, settings.port));
    }
  };
  fail("not an address:");
  tcp::endpoint const endpoint(address, settings.port);
  acceptor_.open(endpoint.protocol(), error);
  fail("cannot open a socket for");
  acceptor_.set_option(asio::socket_base::reuse_address(true), error);
  acceptor_.bind(endpoint, error);
  fail("cannot bind");
  acceptor_.listen(settings.backlog, error);
  fail("cannot listen on");
  port = acceptor_.local_endpoint().port();
  asio::co_spawn(strand_, accept(shared_from_this()), asio::detached);
}

Task<> Server::Implementation::accept(std::shared_ptr<Implementation> self) {
  asio::steady_timer pause(self->strand_);
  while (!self->stopping) {
    auto const strand = asio::any_io_executor(asio::make_strand(self->executor_));
    tcp::socket socket(strand);
    error_code error;
    auto accepting = self->acceptor_.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
    co_await std::move(accepting);
    if (self->stopping || error == asio::error::operation_aborted) co_return;
    if (error) {  // out of file descriptors, or the peer left at once
      pause.expires_after(std::chrono::milliseconds(20));
      auto waiting = pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
      co_await std::move(waiting);
      continue;
    }
    auto const open = self->count();
    if (open >= self->settings.max_connections + max_rejecting) continue;
    auto connection = std::make_shared<ServerConnection>(std::move(socket), self);
    auto life = open < self->settings.max_connections ? ServerConnection::serve(connection)
                                                      : ServerConnection::reject(connection);
    asio::co_spawn(strand, std::move(life), asio::detached);
  }
}

Task<> Server::Implementation::drain(std::shared_ptr<Implementation> self, std::chrono::milliseconds deadline) {
  error_code error;
  self->stopping = true;
  self->acceptor_.close(error);
  self->each(&ServerConnection::begin_stop);
  if (self->count() != 0) {
    self->drained_.expires_after(deadline);
    auto waiting = self->drained_.async_wait(asio::redirect_error(asio::use_awaitable, error));
    co_await std::move(waiting);
  }
  if (self->count() == 0) co_return;
  self->each(&ServerConnection::cut);
  self->drained_.expires_after(std::chrono::milliseconds(200));
  auto waiting = self->drained_.async_wait(asio::redirect_error(asio::use_awaitable, error));
  co_await std::move(waiting);
}

Task<> Server::Implementation::stop(std::shared_ptr<Implementation> self, std::chrono::milliseconds deadline) {
  auto draining = asio::co_spawn(self->strand_, drain(self, deadline), asio::use_awaitable);
  co_await std::move(draining);
}

void Server::Implementation::close_now() {
  stopping = true;
  error_code ignored;
  acceptor_.close(ignored);
}

Server::Server(asio::any_io_executor executor, ServerSettings settings, Router router, RequestObserver observer)
    : implementation_(std::make_shared<Implementation>(std::move(executor), std::move(settings), std::move(router),
                                                       std::move(observer))) {}

Server::~Server() {
  implementation_->close_now();
}

void Server::start() {
  implementation_->start();
}

std::uint16_t Server::port() const {
  return implementation_->port;
}

std::size_t Server::connections() const {
  return implementation_->count();
}

Task<> Server::stop(std::chrono::milliseconds deadline) {
  return Implementation::stop(implementation_, deadline);
}

}  // namespace omnibus::http
