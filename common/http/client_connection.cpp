#include "containers/prefetch.hpp"
#include "http/client_pool.hpp"

#include <cerrno>
#include <system_error>

namespace omnibus::http {

using Status = ClientTransport::Status;

namespace {

constexpr int max_reads_in_a_row = 16;  // then others have their turn

std::string message_of(int error) {
  return std::generic_category().message(error);
}

}  // namespace

ClientConnection::ClientConnection(ClientPool& pool, ClientHost& host) : pool_(&pool), host_(&host) {}

void ClientConnection::open() {
  self_ = this;
  pool_->time_connection(*this, pool_->settings().connect_timeout);
  if (transport_.connect(host_->addresses[address_]) && pool_->sockets().add(transport_.socket(), *this)) return;
  try_next(message_of(errno));
}

void ClientConnection::close_socket() {
  if (transport_.socket() >= 0) pool_->sockets().remove(transport_.socket(), *this);
  transport_.close();
}

void ClientConnection::try_next(std::string const& reason) {
  close_socket();
  state_ = State::connecting;
  if (++address_ < host_->addresses.size()) return open();
  auto& pool = *pool_;
  auto& host = *host_;
  Pointer const self(this);
  close();
  pool.open_failed(host, reason);
}

void ClientConnection::ready(std::uint32_t events) {
  Pointer const self(this);
  switch (state_) {
    case State::connecting:
      return connected(events);
    case State::securing:
      return handshake();
    case State::idle:
      if (!alive()) close();
      return;
    case State::busy:
      if (!exchange_->all_sent()) write();
      return read((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
    case State::closed:
      return;
  }
}

void ClientConnection::prefetch(unsigned turns) const {
  constexpr std::size_t reader_bytes = 256;  // the first ones; how many it has is not known here
  if (turns > 1) {
    prefetch_bytes(this, sizeof *this);
    if (exchange_ != nullptr) prefetch_bytes(exchange_, sizeof *exchange_);
  } else if (exchange_ != nullptr) {
    prefetch_bytes(exchange_->reader, reader_bytes);
  }
}

void ClientConnection::connected(std::uint32_t events) {
  if (auto const error = transport_.connect_error(); error != 0) return try_next(message_of(error));
  if ((events & EPOLLOUT) == 0) return;
  if (!host_->url.secure) return established();
  try {
    transport_.secure(pool_->tls(), host_->url.host);
  } catch (std::exception const& failure) {
    return try_next(failure.what());
  }
  state_ = State::securing;
  handshake();
}

void ClientConnection::handshake() {
  switch (transport_.handshake().status) {
    case Status::ok:
      return established();
    case Status::want_read:
    case Status::want_write:
      return;
    default:
      return try_next(transport_.failure());
  }
}

void ClientConnection::established() {
  state_ = State::idle;
  pool_->opened(*this, *host_);
}

void ClientConnection::expire() {
  if (is_opening()) return try_next("connecting took too long");
  if (state_ == State::idle) close();
}

bool ClientConnection::alive() {
  char byte = 0;
  auto const result = transport_.read(&byte, 1);
  return result.status == Status::want_read;
}

// A server that closes connections does so after the first response or after some idle time.
bool ClientConnection::is_trusted(std::chrono::steady_clock::time_point now) const {
  return carried_ > 1 && now - idle_since_ < std::chrono::seconds(1);
}

bool ClientConnection::carry(ClientExchange& exchange) {
  WheelEntry::unlink();
  state_ = State::busy;
  ++carried_;
  exchange_ = &exchange;
  exchange.connection = this;
  parser_.begin(exchange.head_request, pool_->settings().max_head_bytes);
  auto const result = transport_.write(exchange.unsent());
  if (result.status == Status::closed || result.status == Status::failed) {
    exchange.connection = nullptr;
    exchange_ = nullptr;
    return false;
  }
  exchange.has_sent(result.bytes);
  if (!exchange.all_sent()) write();
  return true;
}

void ClientConnection::write() {
  while (!exchange_->all_sent()) {
    auto const result = transport_.write(exchange_->unsent());
    exchange_->has_sent(result.bytes);
    // Where it waits, or broke: the peer may have answered before it closed, and the reading side finds out.
    if (result.status != Status::ok) return;
  }
}

void ClientConnection::read(bool until_closed) {
  auto& buffer = pool_->buffer();
  for (auto reads = 0; reads < max_reads_in_a_row; ++reads) {
    auto const result = transport_.read(buffer.data(), buffer.size());
    if (result.status == Status::want_read || result.status == Status::want_write) return;
    if (result.status != Status::ok) return ended_by_peer(result.status == Status::closed);
    // More may be there to be read, of which the set does not tell again.
    has_unread_ = result.bytes == buffer.size() || until_closed || transport_.secured();
    if (!consume({buffer.data(), result.bytes})) return;
    if (!has_unread_) return;
  }
  pool_->sockets().tell_again(transport_.socket(), *this);
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
          if (!parser_.is_done()) pool_->expect_end(*exchange_);
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
          if (!parser_.is_done()) pool_->expect_end(*exchange_);
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
  if (reusable && (!has_unread_ || alive())) {
    state_ = State::idle;
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
  Pointer const self(std::move(self_));
  auto const was_opening = is_opening();
  state_ = State::closed;
  WheelEntry::unlink();
  close_socket();
  pool_->closed(*this, *host_, was_opening);
}

}  // namespace omnibus::http
