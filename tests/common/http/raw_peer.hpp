/// A server on a thread of its own and a blocking peer that speaks bytes, for tests of the edge.
#pragma once

#include "http/server.hpp"

#include <chrono>
#include <future>
#include <string>
#include <string_view>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>

namespace omnibus::http {

namespace asio = boost::asio;

class RunningServer {
 public:
  explicit RunningServer(Router router, ServerSettings settings = {}, RequestObserver observer = {})
      : server_(context_.get_executor(), settings, std::move(router), std::move(observer)) {
    server_.start();
    for (auto& thread : threads_) thread = std::thread([this] { context_.run(); });
  }
  ~RunningServer() {
    stop(std::chrono::milliseconds(50));
    work_.reset();
    context_.stop();
    for (auto& thread : threads_) thread.join();
  }
  void stop(std::chrono::milliseconds deadline) {
    asio::co_spawn(context_, server_.stop(deadline), asio::use_future).get();
  }
  std::uint16_t port() const { return server_.port(); }
  std::size_t connections() const { return server_.connections(); }
  asio::io_context& context() { return context_; }

 private:
  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(context_);
  Server server_;
  std::thread threads_[2];
};

class RawPeer {
 public:
  explicit RawPeer(std::uint16_t port) : socket_(context_) {
    socket_.connect({asio::ip::make_address("127.0.0.1"), port});
  }
  void send(std::string_view bytes) {
    boost::system::error_code ignored;
    asio::write(socket_, asio::buffer(bytes), ignored);
  }
  /// Everything until the server closes.
  std::string read_all() {
    boost::system::error_code ignored;
    asio::read(socket_, asio::dynamic_buffer(received_), ignored);
    return std::exchange(received_, {});
  }
  /// Everything up to and with that text.
  std::string read_until(std::string_view text) {
    char buffer[4096];
    while (received_.find(text) == std::string::npos) {
      boost::system::error_code error;
      auto const bytes = socket_.read_some(asio::buffer(buffer), error);
      if (error) return std::exchange(received_, {});
      received_.append(buffer, bytes);
    }
    auto const end = received_.find(text) + text.size();
    auto result = received_.substr(0, end);
    received_.erase(0, end);
    return result;
  }
  void close() { socket_.close(); }

 private:
  asio::io_context context_;
  asio::ip::tcp::socket socket_;
  std::string received_;
};

inline std::string exchange(std::uint16_t port, std::string_view bytes) {
  RawPeer peer(port);
  peer.send(bytes);
  return peer.read_all();
}

}  // namespace omnibus::http
