#include "http/server_connection.hpp"

#include "http/response_head.hpp"
#include "http/server_request.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/read_size.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <fmt/format.h>

namespace omnibus::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr auto linger_time = std::chrono::seconds(1);
constexpr std::size_t linger_bytes = 32 * 1024 * 1024;

}  // namespace

void ServerConnection::arm(Clock::duration after) {
  timed_out_ = false;
  deadline_ = Clock::now() + after;
  if (scheduled_ > deadline_) schedule(deadline_);
}

// The timer keeps its old time when a deadline moves further away: so most requests never touch it.
void ServerConnection::schedule(Clock::time_point at) {
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
    // An operation may have begun between the cancelling and its notice, so this repeats until it is disarmed.
    self->schedule(now + std::chrono::milliseconds(50));
  });
}

Task<> ServerConnection::serve(std::shared_ptr<ServerConnection> self) {
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

Task<> ServerConnection::reject(std::shared_ptr<ServerConnection> self) {
  self->server_->enter(self.get());
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

/// Reads until the buffer holds a complete head, and returns its size: above the limit when it is too large, nothing
/// when it does not arrive. Beast's own limit counts each read alone, so many small pieces could go on without end.
Task<std::size_t> ServerConnection::read_head() {
  constexpr std::string_view empty_line = "\r\n\r\n";
  std::size_t searched = 0;
  while (true) {
    std::string_view const held(static_cast<char const*>(buffer_.data().data()), buffer_.size());
    auto const end = held.find(empty_line, searched);
    if (end != std::string_view::npos) co_return end + empty_line.size();
    if (held.size() > settings().max_header_bytes) co_return held.size();
    searched = held.size() - std::min(held.size(), empty_line.size() - 1);
    error_code error;
    auto const space = buffer_.prepare(beast::read_size(buffer_, 64 * 1024));
    auto reading = socket_.async_read_some(space, asio::redirect_error(asio::use_awaitable, error));
    auto const bytes = co_await std::move(reading);
    if (error || timed_out_) co_return 0;
    buffer_.commit(bytes);
  }
}

/// Reads one request. False when the connection must be closed, with `refused` set when the peer gets the reason.
Task<bool> ServerConnection::read(Request& request, std::optional<Response>& refused) {
  error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  if (buffer_.size() == 0) {
    buffer_.max_size(std::max<std::size_t>(2 * settings().max_header_bytes, 64 * 1024));
    arm(served_ == 0 ? settings().header_timeout : settings().keep_alive_timeout);
    auto waiting = socket_.async_wait(tcp::socket::wait_read, token);
    co_await std::move(waiting);
    if (error) co_return false;
  }
  phase_ = Phase::reading;
  head_ = old_peer_ = false;  // this request is still unknown
  ++served_;
  arm(settings().header_timeout);
  auto reading_head = read_head();
  auto const head_bytes = co_await std::move(reading_head);
  if (timed_out_ && buffer_.size() > 0) refused = problem(408, {}, "the headers took too long");
  if (!timed_out_ && head_bytes > settings().max_header_bytes)
    refused = refusal(beast::http::error::header_limit, settings());
  if (timed_out_ || refused || head_bytes == 0) co_return false;

  beast::http::request_parser<beast::http::string_body> parser;
  parser.header_limit(static_cast<std::uint32_t>(settings().max_header_bytes));
  parser.body_limit(settings().max_body_bytes);
  buffer_.consume(parser.put(asio::buffer(buffer_.data(), head_bytes), error));
  if (!error && !parser.is_header_done()) error = beast::http::error::bad_line_ending;
  if (error) refused = refusal(error, settings());
  if (error) co_return false;

  auto const& head = parser.get();
  keep_alive_ = head.keep_alive() && served_ < settings().max_requests_per_connection;
  old_peer_ = head.version() < 11;
  head_ = head.method() == beast::http::verb::head;
  request = take_head(head);
  error_code no_address;
  request.peer = socket_.remote_endpoint(no_address).address().to_string();
  refused = objection(head.version(), request);
  if (refused) co_return false;

  if (!parser.is_done()) {
    if (server_->router.doorkeeper() &&
        parser.content_length_remaining().value_or(buffer_.size() + 1) > buffer_.size()) {
      disarm();
      auto asking = server_->router.doorkeeper()(request);
      refused = co_await std::move(asking);
      if (refused) co_return false;
    }
    arm(settings().body_timeout);
    if (!old_peer_ && request.headers.contains("expect")) {
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

Task<> ServerConnection::send(Response const& response) {
  auto const good = is_safe(response.headers);
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

/// Closes our side and discards what the peer still sends: a reset would destroy an answer that it has not read yet.
Task<> ServerConnection::linger() {
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

void ServerConnection::begin_stop() {
  error_code ignored;
  if (phase_ == Phase::idle) socket_.cancel(ignored);
  if (phase_ == Phase::streaming || watching_) mark_closed();
}

void ServerConnection::cut() {
  error_code ignored;
  mark_closed();
  socket_.close(ignored);
}

void ServerConnections::enter(ServerConnection* connection) {
  std::lock_guard const lock(mutex_);
  connections_.insert(connection);
}

void ServerConnections::leave(ServerConnection* connection) {
  std::lock_guard const lock(mutex_);
  connections_.erase(connection);
  if (connections_.empty() && stopping) emptied();
}

std::size_t ServerConnections::count() const {
  std::lock_guard const lock(mutex_);
  return connections_.size();
}

void ServerConnections::each(void (ServerConnection::*act)()) {
  std::lock_guard const lock(mutex_);
  for (auto* const connection : connections_) {
    asio::post(connection->executor(), [weak = connection->weak_from_this(), act] {
      if (auto const alive = weak.lock()) ((*alive).*act)();
    });
  }
}

}  // namespace omnibus::http
