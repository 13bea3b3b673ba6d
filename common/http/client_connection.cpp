#include "http/client_pool.hpp"

#include <boost/asio/ip/tcp.hpp>

namespace omnibus::http {

using boost::system::error_code;
using Status = ClientTransport::Status;

namespace {

constexpr int max_reads_in_a_row = 16;  // then others have their turn

}  // namespace

ClientConnection::ClientConnection(ClientPool& pool, ClientHost& host)
    : pool_(&pool), host_(&host), transport_(pool.context()) {}

void ClientConnection::open() {
  pool_->time_connection(*this, pool_->settings().connect_timeout);
  auto const& endpoint = host_->addresses[address_];
  error_code error;
  auto& socket = transport_.socket();
  socket.open(endpoint.protocol(), error);
  if (!error) socket.non_blocking(true, error);
  if (!error) socket.set_option(boost::asio::ip::tcp::no_delay(true), error);
  if (error) return try_next(error.message());
  socket.async_connect(endpoint, [self = Pointer(this)](error_code result) { self->connected(result); });
}

void ClientConnection::try_next(std::string const& reason) {
  error_code ignored;
  transport_.socket().close(ignored);
  if (++address_ < host_->addresses.size()) return open();
  auto& pool = *pool_;
  auto& host = *host_;
  Pointer const self(this);
  close();
  pool.open_failed(host, reason);
}

void ClientConnection::connected(error_code error) {
  if (state_ == State::closed || error == boost::asio::error::operation_aborted) return;
  if (error) return try_next(error.message());
  if (!host_->url.secure) return ready();
  try {
    transport_.secure(pool_->tls(), host_->url.host);
  } catch (std::exception const& failure) {
    return try_next(failure.what());
  }
  handshake();
}

void ClientConnection::handshake() {
  if (state_ == State::closed) return;
  auto const again = [self = Pointer(this)](error_code error) {
    if (!error) self->handshake();
  };
  switch (transport_.handshake().status) {
    case Status::ok:
      return ready();
    case Status::want_read:
      return transport_.socket().async_wait(ClientTransport::Socket::wait_read, again);
    case Status::want_write:
      return transport_.socket().async_wait(ClientTransport::Socket::wait_write, again);
    default:
      return try_next(transport_.failure());
  }
}

void ClientConnection::ready() {
  state_ = State::idle;
  await_readable();
  pool_->opened(*this, *host_);
}

void ClientConnection::expire() {
  if (state_ == State::opening) return try_next("connecting took too long");
  if (state_ == State::idle) close();
}

// One wait is always active: so an idle connection notices when it is closed, a busy one when its answer arrives.
void ClientConnection::await_readable() {
  if (reading_) return;
  reading_ = true;
  transport_.socket().async_wait(ClientTransport::Socket::wait_read, [self = Pointer(this)](error_code error) {
    self->reading_ = false;
    if (!error && self->state_ != State::closed) self->readable();
  });
}

bool ClientConnection::alive() {
  char byte = 0;
  auto const result = transport_.read(&byte, 1);
  return result.status == Status::want_read;
}

bool ClientConnection::carry(ClientExchange& exchange) {
  WheelEntry::unlink();
  state_ = State::busy;
  exchange_ = &exchange;
  exchange.connection = this;
  parser_.begin(exchange.head_request, pool_->settings().max_head_bytes);
  auto const result = transport_.write(exchange.wire);
  if (result.status == Status::closed || result.status == Status::failed) {
    exchange.connection = nullptr;
    exchange_ = nullptr;
    return false;
  }
  exchange.has_sent(result.bytes);
  if (!exchange.all_sent()) write();
  return true;
}

bool ClientConnection::write() {
  while (!exchange_->all_sent()) {
    auto const result = transport_.write(std::string_view(exchange_->wire).substr(exchange_->sent));
    exchange_->has_sent(result.bytes);
    if (result.status == Status::ok) continue;
    if (result.status == Status::want_read) return true;  // continues once data has arrived
    if (result.status == Status::want_write) {
      if (writing_) return true;
      writing_ = true;
      transport_.socket().async_wait(ClientTransport::Socket::wait_write, [self = Pointer(this)](error_code error) {
        self->writing_ = false;
        if (!error) self->writable();
      });
      return true;
    }
    // The peer may have answered before it closed: the reading side finds out.
    return true;
  }
  return true;
}

void ClientConnection::writable() {
  if (state_ == State::busy) write();
}

void ClientConnection::readable() {
  Pointer const self(this);
  if (state_ == State::idle) {
    if (!alive()) return close();
    return await_readable();
  }
  auto& buffer = pool_->buffer();
  for (auto reads = 0; reads < max_reads_in_a_row; ++reads) {
    auto const result = transport_.read(buffer.data(), buffer.size());
    if (result.status == Status::want_read || result.status == Status::want_write) break;
    if (result.status != Status::ok) return ended_by_peer(result.status == Status::closed);
    if (!consume({buffer.data(), result.bytes})) return;
    if (result.bytes < buffer.size() && !transport_.secured()) break;
  }
  if (!exchange_->all_sent() && !writing_) write();
  await_readable();
}

void ClientConnection::ended_by_peer(bool orderly) {
  if (orderly && parser_.complete_at_close()) return complete(false);
  fail(ClientError::Kind::closed, parser_.begun() ? "the connection broke in the middle of the response"
                                                  : "the connection broke before a response came");
}

bool ClientConnection::consume(std::string_view input) {
  using Step = ResponseParser::Step;
  try {
    while (true) {
      switch (parser_.next(input)) {
        case Step::need_more:
          return true;
        case Step::head:
          exchange_->reader->head(parser_.head());
          pool_->expect_end(*exchange_);
          break;
        case Step::body:
          exchange_->received += parser_.body().size();
          if (exchange_->received > exchange_->max_response_bytes) {
            fail(ClientError::Kind::too_large, "the response exceeds its limit");
            return false;
          }
          if (!exchange_->reader->body(parser_.body())) {
            complete(false);
            return false;
          }
          pool_->expect_end(*exchange_);
          break;
        case Step::done:
          complete(parser_.keep_alive() && input.empty() && exchange_->all_sent());
          return false;
        case Step::failed:
          fail(ClientError::Kind::protocol, "the response is not HTTP/1.1");
          return false;
      }
    }
  } catch (...) {
    fail(std::current_exception());
    return false;
  }
}

void ClientConnection::complete(bool reusable) {
  auto& exchange = *std::exchange(exchange_, nullptr);
  exchange.connection = nullptr;
  auto& pool = *pool_;
  if (reusable) {
    state_ = State::idle;
    await_readable();
    pool.released(*this, *host_);
  } else {
    close();
  }
  pool.finish(exchange, nullptr);
}

void ClientConnection::fail(std::exception_ptr failure) {
  auto& exchange = *std::exchange(exchange_, nullptr);
  exchange.connection = nullptr;
  auto& pool = *pool_;
  close();
  pool.finish(exchange, std::move(failure));
}

void ClientConnection::fail(ClientError::Kind kind, char const* reason) {
  fail(std::make_exception_ptr(ClientError(kind, host_->origin + ": " + reason, exchange_->sent > 0)));
}

void ClientConnection::abandon() {
  exchange_ = nullptr;
  close();
}

void ClientConnection::close() {
  if (state_ == State::closed) return;
  Pointer const self(this);
  auto const was = std::exchange(state_, State::closed);
  WheelEntry::unlink();
  transport_.close();
  pool_->closed(*this, *host_, was == State::opening, was == State::idle);
}

}  // namespace omnibus::http
