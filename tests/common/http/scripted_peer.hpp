/// A server that says exactly what a test tells it to, byte by byte, on a thread of its own.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

namespace omnibus::http {

/// One accepted connection of a ScriptedPeer.
class ScriptedConnection {
 public:
  explicit ScriptedConnection(boost::asio::ip::tcp::socket socket) : socket_(std::move(socket)) {}
  /// Reads one request (head, and as much body as its Content-Length says); empty when the client closed.
  std::string read_request() {
    auto end = std::string::npos;
    while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
      if (!read_some()) return {};
    }
    auto size = end + 4;
    if (auto const at = received_.find("Content-Length: "); at < end) size += std::stoul(received_.substr(at + 16));
    while (received_.size() < size) {
      if (!read_some()) return {};
    }
    auto request = received_.substr(0, size);
    received_.erase(0, size);
    return request;
  }
  void send(std::string_view bytes) {
    boost::system::error_code ignored;
    boost::asio::write(socket_, boost::asio::buffer(bytes), ignored);
  }
  void close() { socket_.close(); }
  void reset() {
    socket_.set_option(boost::asio::socket_base::linger(true, 0));
    socket_.close();
  }
  /// Waits until the client closes.
  void await_close() {
    while (read_some()) {
    }
  }

 private:
  bool read_some() {
    char buffer[4096];
    boost::system::error_code error;
    auto const bytes = socket_.read_some(boost::asio::buffer(buffer), error);
    received_.append(buffer, bytes);
    return !error;
  }
  boost::asio::ip::tcp::socket socket_;
  std::string received_;
};

/// Accepts one connection after the other and plays the script with each, and its number from 0.
class ScriptedPeer {
 public:
  using Script = std::function<void(ScriptedConnection&, int number)>;
  explicit ScriptedPeer(Script script)
      : acceptor_(context_, {boost::asio::ip::make_address("127.0.0.1"), 0}), script_(std::move(script)) {
    thread_ = std::thread([this] {
      for (auto number = 0;; ++number) {
        boost::system::error_code error;
        auto socket = acceptor_.accept(error);
        if (error || stopping_) return;
        ScriptedConnection connection(std::move(socket));
        script_(connection, number);
        ++finished_;
      }
    });
  }
  ~ScriptedPeer() {
    stopping_ = true;
    boost::system::error_code ignored;
    boost::asio::ip::tcp::socket wake(context_);
    wake.connect(acceptor_.local_endpoint(), ignored);
    thread_.join();
  }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  std::string url(std::string_view path = "/") const {
    return "http://127.0.0.1:" + std::to_string(port()) + std::string(path);
  }

 private:
  boost::asio::io_context context_;
  boost::asio::ip::tcp::acceptor acceptor_;
  Script script_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> finished_ = 0;
  std::thread thread_;
};

}  // namespace omnibus::http
