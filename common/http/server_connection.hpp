/// The server's side of its connections. Internal to the server.
#pragma once

#include "http/server.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_set>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>

namespace omnibus::http {

class ServerConnection;

/// The shared state of one server's connections. Any thread may use it.
class ServerConnections {
 public:
  ServerConnections(ServerSettings its_settings, Router its_router, RequestObserver its_observer)
      : settings(std::move(its_settings)), router(std::move(its_router)), observer(std::move(its_observer)) {}
  virtual ~ServerConnections() = default;
  ServerConnections(ServerConnections const&) = delete;
  ServerConnections& operator=(ServerConnections const&) = delete;

  void enter(ServerConnection* connection);
  void leave(ServerConnection* connection);
  std::size_t count() const;
  /// Runs this for each, soon and on its own strand.
  void each(void (ServerConnection::*act)());

  ServerSettings const settings;
  Router const router;
  RequestObserver const observer;
  std::atomic<bool> stopping{false};

 private:
  /// The last connection has left and the server is stopping.
  virtual void emptied() {}

  mutable std::mutex mutex_;
  std::unordered_set<ServerConnection*> connections_;
};

/// One connection: reads a request, has it answered, reads the next. Lives in a coroutine on its own strand.
class ServerConnection final : public Stream, public std::enable_shared_from_this<ServerConnection> {
 public:
  ServerConnection(boost::asio::ip::tcp::socket socket, std::shared_ptr<ServerConnections> server)
      : socket_(std::move(socket)), timer_(socket_.get_executor()), server_(std::move(server)) {}
  ~ServerConnection() override { server_->leave(this); }
  ServerConnection(ServerConnection const&) = delete;
  ServerConnection& operator=(ServerConnection const&) = delete;

  /// Serves until either side ends it. Spawn it on the socket's strand.
  static Task<> serve(std::shared_ptr<ServerConnection> self);
  /// Answers 503 and closes. Spawn it on the socket's strand.
  static Task<> reject(std::shared_ptr<ServerConnection> self);

  /// The server stops: an idle connection ends, a stream is asked to end.
  void begin_stop();
  /// Ends it in any state.
  void cut();
  boost::asio::any_io_executor executor() { return socket_.get_executor(); }

  Task<> start(int status, Headers headers) override;
  Task<> write(std::string_view piece) override;
  Task<> respond(Response response) override;
  void reset() override;
  bool closed() const override { return closed_; }
  bool broken() const override { return broken_; }
  void on_close(std::function<void()> callback) override;
  Task<> wait(std::chrono::milliseconds duration) override;

 private:
  using Clock = std::chrono::steady_clock;
  enum class Phase { idle, reading, answering, streaming };

  Task<std::size_t> read_head();
  Task<bool> read(Request& request, std::optional<Response>& refused);
  Task<> answer(Request& request);
  Task<> run_handler(Router::Match const& match, Request const& request, Response& response);
  Task<bool> run_stream(Router::Match const& match, Request const& request);
  Task<> send(Response const& response);
  Task<> linger();
  void arm(Clock::duration after);
  void disarm() { deadline_ = Clock::time_point::max(); }
  void schedule(Clock::time_point at);
  void watch();
  void stop_watching();
  void mark_closed();
  ServerSettings const& settings() const { return server_->settings; }

  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  std::shared_ptr<ServerConnections> server_;
  boost::beast::flat_buffer buffer_;
  Clock::time_point deadline_ = Clock::time_point::max();
  Clock::time_point scheduled_ = Clock::time_point::max();
  std::function<void()> on_close_;
  boost::asio::steady_timer* waiting_ = nullptr;
  std::size_t served_ = 0;
  int status_ = 0;
  Phase phase_ = Phase::idle;
  bool timed_out_ = false;
  bool keep_alive_ = true;
  bool head_ = false;
  bool old_peer_ = false;  // HTTP/1.0: no chunks
  bool chunked_ = false;
  bool started_ = false;
  bool closed_ = false;
  bool broken_ = false;
  bool watching_ = false;  // for the peer to close
};

}  // namespace omnibus::http
