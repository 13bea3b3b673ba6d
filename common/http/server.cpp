#include "http/server.hpp"

#include "observability/log.hpp"

#include <array>
#include <atomic>
#include <exception>
#include <mutex>
#include <optional>
#include <typeinfo>
#include <unordered_set>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/core/demangle.hpp>
#include <fmt/format.h>
#include <sys/socket.h>

namespace omnibus::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

namespace {

constexpr auto linger_time = std::chrono::seconds(1);
constexpr std::size_t linger_bytes = 32 * 1024 * 1024;
constexpr std::size_t max_rejecting = 64;

bool has_body(int status) {
  return status >= 200 && status != 204 && status != 304;
}

/// A line break in a header would let one response become two.
bool safe(Headers const& headers) {
  constexpr std::string_view forbidden("\r\n\0", 3);
  for (auto const& [name, value] : headers) {
    if (name.empty() || name.find_first_of(forbidden) != std::string::npos) return false;
    if (value.find_first_of(forbidden) != std::string::npos) return false;
  }
  return true;
}

void append_head(std::string& out, int status, Headers const& headers) {
  fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\n", status, reason_phrase(status));
  for (auto const& [name, value] : headers) {
    if (equals_ignoring_case(name, "content-length") || equals_ignoring_case(name, "connection") ||
        equals_ignoring_case(name, "transfer-encoding")) {
      continue;
    }
    out.append(name).append(": ").append(value).append("\r\n");
  }
}

/// Tells where and of what kind, but not the exception's words: they may hold what a person wrote.
void log_failure(std::string_view pattern, std::exception_ptr const& failure) {
  std::string type = "unknown";
  try {
    std::rethrow_exception(failure);
  } catch (std::exception const& error) {
    type = boost::core::demangle(typeid(error).name());
  } catch (...) {
  }
  log::error("request failed", {{"route", pattern}, {"type", type}});
}

std::string_view text(beast::string_view view) {
  return {view.data(), view.size()};
}

/// What is wrong with a request that cannot be read; nothing when there is nobody to tell.
std::optional<Response> refusal(error_code const& failure, ServerSettings const& settings) {
  using beast::http::error;
  if (failure == error::header_limit || failure == error::buffer_overflow) {
    return problem(431, {}, fmt::format("the headers exceed {} bytes", settings.max_header_bytes));
  }
  if (failure == error::body_limit) {
    return problem(413, {}, fmt::format("the body exceeds {} bytes", settings.max_body_bytes));
  }
  if (failure == error::bad_version) return problem(505, {}, "HTTP/1.1 is spoken here");
  if (failure == error::end_of_stream || failure == error::partial_message) return std::nullopt;
  if (failure.category() == make_error_code(error::bad_method).category()) {
    return problem(400, {}, "the request is malformed: " + failure.message());
  }
  return std::nullopt;
}

}  // namespace

class Connection;

class Server::Implementation : public std::enable_shared_from_this<Server::Implementation> {
 public:
  Implementation(asio::any_io_executor executor, ServerSettings its_settings, Router its_router,
                 RequestObserver its_observer)
      : settings(std::move(its_settings)),
        router(std::move(its_router)),
        observer(std::move(its_observer)),
        executor_(std::move(executor)),
        strand_(asio::make_strand(executor_)),
        acceptor_(strand_),
        drained_(strand_) {}

  void start();
  static Task<> stop(std::shared_ptr<Implementation> self, std::chrono::milliseconds deadline);
  void close_now();
  void enter(Connection* connection);
  void leave(Connection* connection);

  ServerSettings const settings;
  Router const router;
  RequestObserver const observer;
  std::atomic<bool> stopping{false};
  std::atomic<std::uint16_t> port{0};

  std::size_t connections() const {
    std::lock_guard const lock(mutex_);
    return connections_.size();
  }
  asio::any_io_executor const& strand() const { return strand_; }

 private:
  static Task<> accept(std::shared_ptr<Implementation> self);
  static Task<> drain(std::shared_ptr<Implementation> self, std::chrono::milliseconds deadline);
  void each_connection(void (Connection::*act)());

  asio::any_io_executor executor_;
  asio::any_io_executor strand_;
  tcp::acceptor acceptor_;
  asio::steady_timer drained_;
  mutable std::mutex mutex_;
  std::unordered_set<Connection*> connections_;
};

/// One connection: reads a request, has it answered, reads the next. Lives in its own coroutine, on its own strand.
class Connection final : public Stream, public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, std::shared_ptr<Server::Implementation> server)
      : socket_(std::move(socket)), timer_(socket_.get_executor()), server_(std::move(server)) {}
  ~Connection() override { server_->leave(this); }
  Connection(Connection const&) = delete;
  Connection& operator=(Connection const&) = delete;

  static Task<> serve(std::shared_ptr<Connection> self);
  static Task<> reject(std::shared_ptr<Connection> self);

  void begin_stop();
  void cut();
  asio::any_io_executor executor() { return socket_.get_executor(); }

  Task<> start(int status, Headers headers) override;
  Task<> write(std::string_view piece) override;
  Task<> respond(Response response) override;
  void reset() override;
  bool closed() const override { return closed_; }
  void on_close(std::function<void()> callback) override;
  Task<> wait(std::chrono::milliseconds duration) override;

 private:
  enum class Phase { idle, reading, answering, streaming };

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
  void mark_closed();
  ServerSettings const& settings() const { return server_->settings; }

  tcp::socket socket_;
  asio::steady_timer timer_;
  std::shared_ptr<Server::Implementation> server_;
  beast::flat_buffer buffer_;
  Clock::time_point deadline_ = Clock::time_point::max();
  Clock::time_point scheduled_ = Clock::time_point::max();
  std::function<void()> on_close_;
  asio::steady_timer* waiting_ = nullptr;
  std::size_t served_ = 0;
  int status_ = 0;
  Phase phase_ = Phase::idle;
  bool timed_out_ = false;
  bool keep_alive_ = true;
  bool head_ = false;
  bool old_peer_ = false;  // HTTP/1.0: no chunks
  bool started_ = false;
  bool closed_ = false;
};

void Connection::arm(Clock::duration after) {
  timed_out_ = false;
  deadline_ = Clock::now() + after;
  if (scheduled_ > deadline_) schedule(deadline_);
}

// The timer runs on at its old time when a deadline moves further away: most requests then never touch it.
void Connection::schedule(Clock::time_point at) {
  scheduled_ = at;
  timer_.expires_at(at);
  timer_.async_wait([weak = weak_from_this()](error_code error) {
    if (error) return;
    auto const self = weak.lock();
    if (!self) return;
    self->scheduled_ = Clock::time_point::max();
    if (self->deadline_ == Clock::time_point::max()) return;
    auto const now = Clock::now();
    if (now < self->deadline_) return self->schedule(self->deadline_);
    self->timed_out_ = true;
    error_code ignored;
    self->socket_.cancel(ignored);
    // An operation may have begun between the cancelling and its notice, so this goes on until somebody disarms.
    self->schedule(now + std::chrono::milliseconds(50));
  });
}

Task<> Connection::serve(std::shared_ptr<Connection> self) {
  self->server_->enter(self.get());
  error_code ignored;
  self->socket_.set_option(tcp::no_delay(true), ignored);
  auto answered = false;
  while (self->keep_alive_ && !self->server_->stopping) {
    Request request;
    std::optional<Response> refused;
    auto reading = self->read(request, refused);
    auto const whole = co_await std::move(reading);
    answered = whole || refused;
    if (refused) {
      self->keep_alive_ = false;
      auto sending = self->send(*refused);
      co_await std::move(sending);
      if (self->server_->observer) {
        self->server_->observer(request, {}, refused->status, std::chrono::nanoseconds(0));
      }
    }
    if (!whole) break;
    auto answering = self->answer(request);
    co_await std::move(answering);
    self->phase_ = Phase::idle;
  }
  if (answered) {
    auto lingering = self->linger();
    co_await std::move(lingering);
  }
  self->disarm();
  self->timer_.cancel();
  self->socket_.close(ignored);
}

Task<> Connection::reject(std::shared_ptr<Connection> self) {
  self->keep_alive_ = false;
  auto response = problem(503, {}, "too many connections");
  response.headers.add("Retry-After", "1");
  auto sending = self->send(response);
  co_await std::move(sending);
  auto lingering = self->linger();
  co_await std::move(lingering);
  self->disarm();
  self->timer_.cancel();
}

/// Reads one request. False when the connection is to be closed, with `refused` set when the peer is told why.
Task<bool> Connection::read(Request& request, std::optional<Response>& refused) {
  error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  if (buffer_.size() == 0) {
    buffer_.max_size(std::max<std::size_t>(settings().max_header_bytes, 64 * 1024));
    arm(served_ == 0 ? settings().header_timeout : settings().keep_alive_timeout);
    auto waiting = socket_.async_wait(tcp::socket::wait_read, token);
    co_await std::move(waiting);
    if (error) co_return false;
  }
  phase_ = Phase::reading;
  ++served_;
  arm(settings().header_timeout);
  beast::http::request_parser<beast::http::string_body> parser;
  parser.header_limit(static_cast<std::uint32_t>(settings().max_header_bytes));
  parser.body_limit(settings().max_body_bytes);
  auto reading_head = beast::http::async_read_header(socket_, buffer_, parser, token);
  co_await std::move(reading_head);
  if (timed_out_ && parser.got_some()) refused = problem(408, {}, "the headers took too long");
  if (!timed_out_ && error) refused = refusal(error, settings());
  if (error || timed_out_) co_return false;

  auto const& head = parser.get();
  keep_alive_ = head.keep_alive() && served_ < settings().max_requests_per_connection;
  old_peer_ = head.version() < 11;
  request.method = std::string(text(head.method_string()));
  request.target = std::string(text(head.target()));
  for (auto const& field : head) {
    request.headers.add(std::string(text(field.name_string())), std::string(text(field.value())));
  }
  head_ = request.method == "HEAD";
  error_code no_address;
  request.peer = socket_.remote_endpoint(no_address).address().to_string();

  auto const expect = request.headers.find("expect");
  if (head.version() != 10 && head.version() != 11) {
    refused = problem(505, {}, "HTTP/1.1 is spoken here");
  } else if (!old_peer_ && !request.headers.contains("host")) {
    refused = problem(400, {}, "the Host header is missing", "Host");
  } else if (!parse_target(request)) {
    refused = problem(400, {}, "the request target is malformed");
  } else if (auto const coding = request.headers.find("transfer-encoding");
             coding && !equals_ignoring_case(*coding, "chunked")) {
    refused = problem(501, {}, "only the chunked transfer coding is understood", "Transfer-Encoding");
  } else if (auto const content = request.headers.find("content-encoding");
             content && !equals_ignoring_case(*content, "identity")) {
    refused = problem(415, {}, "send the body without a content coding", "Content-Encoding");
  } else if (expect && !equals_ignoring_case(*expect, "100-continue")) {
    refused = problem(417, {}, "only 100-continue can be expected", "Expect");
  }
  if (refused) co_return false;

  if (!parser.is_done()) {
    arm(settings().body_timeout);
    if (expect && !old_peer_) {
      constexpr std::string_view proceed = "HTTP/1.1 100 Continue\r\n\r\n";
      auto writing = asio::async_write(socket_, asio::buffer(proceed), token);
      co_await std::move(writing);
      if (error) co_return false;
    }
    auto reading_body = beast::http::async_read(socket_, buffer_, parser, token);
    co_await std::move(reading_body);
    if (timed_out_) refused = problem(408, {}, "the body took too long");
    if (!timed_out_ && error) refused = refusal(error, settings());
    if (error || timed_out_) co_return false;
  }
  request.body = std::move(parser.get().body());
  disarm();
  co_return true;
}

Task<> Connection::answer(Request& request) {
  auto const begun = Clock::now();
  phase_ = Phase::answering;
  auto const match = server_->router.match(request);
  if (match.stream != nullptr) {
    auto running = run_stream(match, request);
    auto const fine = co_await std::move(running);
    if (!fine) keep_alive_ = false;
  } else {
    Response response;
    if (match.handler != nullptr) {
      auto running = run_handler(match, request, response);
      co_await std::move(running);
    } else if (!match.allow.empty()) {
      response = problem(405, {}, "this path answers to " + match.allow);
      response.headers.add("Allow", match.allow);
    } else {
      response = problem(404, {}, "there is nothing at this path");
    }
    auto sending = send(response);
    co_await std::move(sending);
  }
  if (server_->observer) server_->observer(request, match.pattern, status_, Clock::now() - begun);
}

Task<> Connection::run_handler(Router::Match const& match, Request const& request, Response& response) {
  try {
    auto running = (*match.handler)(request);
    response = co_await std::move(running);
  } catch (...) {
    log_failure(match.pattern, std::current_exception());
    response = problem(500, {}, "the request could not be served");
  }
}

/// True when the connection can serve another request.
Task<bool> Connection::run_stream(Router::Match const& match, Request const& request) {
  started_ = false;
  closed_ = false;
  status_ = 0;
  if (buffer_.size() == 0) buffer_.shrink_to_fit();
  auto failed = false;
  try {
    auto running = (*match.stream)(request, *this);
    co_await std::move(running);
  } catch (...) {
    failed = true;
    if (!closed_) log_failure(match.pattern, std::current_exception());
  }
  on_close_ = nullptr;
  if (status_ == 0) {
    auto const response = problem(500, {}, "the request could not be served");
    auto sending = send(response);
    co_await std::move(sending);
    co_return true;
  }
  if (!started_) co_return true;
  auto const complete = !failed && (!closed_ || server_->stopping);
  phase_ = Phase::answering;
  error_code error;
  socket_.cancel(error);  // the watch
  if (!complete || old_peer_ || head_) co_return complete&& head_ && !old_peer_;
  constexpr std::string_view last = "0\r\n\r\n";
  arm(settings().write_timeout);
  auto writing = asio::async_write(socket_, asio::buffer(last), asio::redirect_error(asio::use_awaitable, error));
  co_await std::move(writing);
  disarm();
  co_return !error;
}

Task<> Connection::send(Response const& response) {
  auto const good = safe(response.headers);
  auto const broken = good ? Response{} : problem(500, {}, "the request could not be served");
  auto const& sent = good ? response : broken;
  status_ = sent.status;
  if (server_->stopping) keep_alive_ = false;
  std::string head;
  head.reserve(256);
  append_head(head, sent.status, sent.headers);
  if (has_body(sent.status)) fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n", sent.body.size());
  if (!keep_alive_) head += "Connection: close\r\n";
  if (keep_alive_ && old_peer_) head += "Connection: keep-alive\r\n";
  head += "\r\n";
  auto const with_body = has_body(sent.status) && !head_;
  std::array<asio::const_buffer, 2> const buffers{asio::buffer(head),
                                                  with_body ? asio::buffer(sent.body) : asio::const_buffer{}};
  error_code error;
  arm(settings().write_timeout);
  auto writing = asio::async_write(socket_, buffers, asio::redirect_error(asio::use_awaitable, error));
  co_await std::move(writing);
  disarm();
  if (error) keep_alive_ = false;
}

/// Closes our side and swallows what the peer still sends: a reset would destroy an answer that it has not read yet.
Task<> Connection::linger() {
  error_code error;
  socket_.shutdown(tcp::socket::shutdown_send, error);
  if (error) co_return;
  arm(linger_time);
  std::array<char, 8192> sink;
  std::size_t swallowed = 0;
  while (!timed_out_ && swallowed < linger_bytes) {
    auto reading = socket_.async_read_some(asio::buffer(sink), asio::redirect_error(asio::use_awaitable, error));
    auto const bytes = co_await std::move(reading);
    if (error) break;
    swallowed += bytes;
  }
}

Task<> Connection::start(int status, Headers headers) {
  if (!safe(headers)) throw std::invalid_argument("a header holds a line break");
  status_ = status;
  started_ = true;
  if (old_peer_) keep_alive_ = false;
  std::string head;
  append_head(head, status, headers);
  if (!old_peer_) head += "Transfer-Encoding: chunked\r\n";
  if (!keep_alive_) head += "Connection: close\r\n";
  head += "\r\n";
  error_code error;
  arm(settings().write_timeout);
  auto writing = asio::async_write(socket_, asio::buffer(head), asio::redirect_error(asio::use_awaitable, error));
  co_await std::move(writing);
  disarm();
  if (error) {
    mark_closed();
    throw boost::system::system_error(error, "http stream");
  }
  phase_ = Phase::streaming;
  if (head_ || server_->stopping) mark_closed();
  watch();
}

Task<> Connection::write(std::string_view piece) {
  if (closed_) throw boost::system::system_error(asio::error::broken_pipe, "http stream");
  if (piece.empty()) co_return;
  fmt::memory_buffer size;
  if (!old_peer_) fmt::format_to(std::back_inserter(size), "{:x}\r\n", piece.size());
  std::array<asio::const_buffer, 3> const buffers{asio::buffer(size.data(), size.size()),
                                                  asio::buffer(piece.data(), piece.size()),
                                                  asio::buffer("\r\n", old_peer_ ? 0 : 2)};
  error_code error;
  arm(settings().write_timeout);
  auto writing = asio::async_write(socket_, buffers, asio::redirect_error(asio::use_awaitable, error));
  co_await std::move(writing);
  disarm();
  // The watch and the write share the socket, so a timeout takes both with it.
  if (!error && timed_out_) error = asio::error::timed_out;
  if (!error) co_return;
  mark_closed();
  throw boost::system::system_error(error, "http stream");
}

Task<> Connection::respond(Response response) {
  if (started_) throw std::logic_error("the stream has already begun");
  auto sending = send(response);
  co_await std::move(sending);
}

void Connection::reset() {
  error_code ignored;
  socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  socket_.close(ignored);
  status_ = 499;
  started_ = true;
  keep_alive_ = false;
  mark_closed();
}

void Connection::on_close(std::function<void()> callback) {
  if (!closed_) {
    on_close_ = std::move(callback);
    return;
  }
  if (callback) callback();
}

Task<> Connection::wait(std::chrono::milliseconds duration) {
  if (closed_) co_return;
  asio::steady_timer timer(socket_.get_executor(), duration);
  waiting_ = &timer;
  error_code error;
  auto waiting = timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
  co_await std::move(waiting);
  waiting_ = nullptr;
}

void Connection::mark_closed() {
  if (closed_) return;
  closed_ = true;
  if (waiting_ != nullptr) waiting_->cancel();
  if (auto const callback = std::exchange(on_close_, nullptr)) callback();
}

// A stream reads nothing, so somebody has to notice that the peer went away.
void Connection::watch() {
  socket_.async_wait(tcp::socket::wait_read, [weak = weak_from_this()](error_code error) {
    auto const self = weak.lock();
    if (!self || error || self->phase_ != Phase::streaming || self->closed_) return;
    char byte = 0;
    auto const got = ::recv(self->socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got > 0) return;  // a pipelined request: it waits, and only a write can now find the peer gone
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return self->watch();
    self->keep_alive_ = false;
    self->mark_closed();
  });
}

void Connection::begin_stop() {
  error_code ignored;
  if (phase_ == Phase::idle) socket_.cancel(ignored);
  if (phase_ == Phase::streaming) mark_closed();
}

void Connection::cut() {
  error_code ignored;
  mark_closed();
  socket_.close(ignored);
}

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
    auto const open = self->connections();
    if (open >= self->settings.max_connections + max_rejecting) continue;
    auto connection = std::make_shared<Connection>(std::move(socket), self);
    auto life = open < self->settings.max_connections ? Connection::serve(connection) : Connection::reject(connection);
    asio::co_spawn(strand, std::move(life), asio::detached);
  }
}

void Server::Implementation::enter(Connection* connection) {
  std::lock_guard const lock(mutex_);
  connections_.insert(connection);
}

void Server::Implementation::leave(Connection* connection) {
  std::lock_guard const lock(mutex_);
  connections_.erase(connection);
  if (!connections_.empty() || !stopping) return;
  asio::post(strand_, [self = shared_from_this()] { self->drained_.cancel(); });
}

void Server::Implementation::each_connection(void (Connection::*act)()) {
  std::lock_guard const lock(mutex_);
  for (auto* const connection : connections_) {
    asio::post(connection->executor(), [weak = connection->weak_from_this(), act] {
      if (auto const alive = weak.lock()) ((*alive).*act)();
    });
  }
}

Task<> Server::Implementation::drain(std::shared_ptr<Implementation> self, std::chrono::milliseconds deadline) {
  error_code error;
  self->stopping = true;
  self->acceptor_.close(error);
  self->each_connection(&Connection::begin_stop);
  if (self->connections() != 0) {
    self->drained_.expires_after(deadline);
    auto waiting = self->drained_.async_wait(asio::redirect_error(asio::use_awaitable, error));
    co_await std::move(waiting);
  }
  if (self->connections() == 0) co_return;
  self->each_connection(&Connection::cut);
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
  return implementation_->connections();
}

Task<> Server::stop(std::chrono::milliseconds deadline) {
  return Implementation::stop(implementation_, deadline);
}

}  // namespace omnibus::http
