// A server's connection as the stream that a handler writes.
#include "http/response_head.hpp"
#include "http/server_connection.hpp"

#include <array>
#include <cerrno>
#include <stdexcept>
#include <utility>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>
#include <sys/socket.h>

namespace omnibus::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

Task<> ServerConnection::start(int status, Headers headers) {
  if (!is_safe(headers)) throw std::invalid_argument("a header holds a line break");
  status_ = status;
  started_ = true;
  if (old_peer_) keep_alive_ = false;
  auto const length = headers.find("Content-Length");
  chunked_ = !old_peer_ && !length;
  std::string head;
  append_head(head, status, headers);
  if (length) head.append("Content-Length: ").append(*length).append("\r\n");
  if (chunked_) head += "Transfer-Encoding: chunked\r\n";
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

Task<> ServerConnection::write(std::string_view piece) {
  if (closed_) throw boost::system::system_error(asio::error::broken_pipe, "http stream");
  if (piece.empty()) co_return;
  fmt::memory_buffer size;
  if (chunked_) fmt::format_to(std::back_inserter(size), "{:x}\r\n", piece.size());
  std::array<asio::const_buffer, 3> const buffers{asio::buffer(size.data(), size.size()),
                                                  asio::buffer(piece.data(), piece.size()),
                                                  asio::buffer("\r\n", chunked_ ? 2 : 0)};
  error_code error;
  arm(settings().write_timeout);
  auto writing = asio::async_write(socket_, buffers, asio::redirect_error(asio::use_awaitable, error));
  co_await std::move(writing);
  disarm();
  // The watch and the write share the socket, so a timeout cancels both.
  if (!error && timed_out_) error = asio::error::timed_out;
  if (!error) co_return;
  broken_ = true;
  mark_closed();
  throw boost::system::system_error(error, "http stream");
}

Task<> ServerConnection::respond(Response response) {
  if (started_) throw std::logic_error("the stream has already begun");
  stop_watching();
  auto sending = send(response);
  co_await std::move(sending);
}

void ServerConnection::reset() {
  error_code ignored;
  socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  socket_.close(ignored);
  status_ = 499;
  started_ = true;
  keep_alive_ = false;
  mark_closed();
}

void ServerConnection::on_close(std::function<void()> callback) {
  if (!closed_) {
    on_close_ = std::move(callback);
    return;
  }
  if (callback) callback();
}

Task<> ServerConnection::wait(std::chrono::milliseconds duration) {
  watch();
  if (closed_) co_return;
  asio::steady_timer timer(socket_.get_executor(), duration);
  waiting_ = &timer;
  error_code error;
  auto waiting = timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
  co_await std::move(waiting);
  waiting_ = nullptr;
}

void ServerConnection::mark_closed() {
  if (closed_) return;
  closed_ = true;
  if (waiting_ != nullptr) waiting_->cancel();
  if (auto const callback = std::exchange(on_close_, nullptr)) callback();
}

// A stream reads nothing, so this read notices when the peer closes.
void ServerConnection::watch() {
  if (watching_ || closed_) return;
  watching_ = true;
  socket_.async_wait(tcp::socket::wait_read, [weak = weak_from_this()](error_code error) {
    auto const self = weak.lock();
    if (!self || error || !self->watching_ || self->closed_) return;
    char byte = 0;
    auto const got = ::recv(self->socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got > 0) return;  // a pipelined request: it waits, and now only a write can detect that the peer has gone
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
      self->watching_ = false;
      return self->watch();
    }
    self->keep_alive_ = false;
    self->broken_ = got < 0;
    self->mark_closed();
  });
}

void ServerConnection::stop_watching() {
  if (!watching_) return;
  watching_ = false;
  error_code ignored;
  socket_.cancel(ignored);
}

}  // namespace omnibus::http
