#include "http/client_pool.hpp"

#include <algorithm>

namespace omnibus::http {

namespace asio = boost::asio;
using boost::system::error_code;

ClientExchange::~ClientExchange() {
  if (connection != nullptr) connection->abandon();
  pool.leave_queue(*this);
}

ClientPool::ClientPool(asio::io_context& context, HttpClientSettings settings)
    : context_(context),
      settings_(std::move(settings)),
      resolver_(context),
      timer_(context.get_executor()),
      sockets_(context),
      exchange_deadlines_(Clock::now()),
      connection_deadlines_(Clock::now()),
      buffer_(std::make_unique<std::array<char, 64 * 1024>>()),
      now_(Clock::now()) {}

void ClientPool::await_sockets() {
  sockets_.async_wait([weak = weak_from_this()](error_code error) {
    if (error) return;
    if (auto const self = weak.lock()) self->serve_sockets();
  });
}

void ClientPool::serve_sockets() {
  if (shut_down_) return;
  now_ = Clock::now();
  waking_ = serving_ = true;
  try {
    sockets_.take([this](SocketWatcher& watcher, std::uint32_t events) {
      watcher.ready(events);
      // Before the next socket: what a turn frees is what the next one takes.
      wake();
    });
    waking_ = serving_ = false;
    for (auto* const host : unpumped_) pump(*host);
    unpumped_.clear();
  } catch (...) {
    waking_ = serving_ = false;
    if (!ended_.empty()) wake_later();
    asio::post(context_, [self = shared_from_this()] { self->serve_sockets(); });
    throw;
  }
  if (!shut_down_) await_sockets();
}

void ClientPool::wake() {
  while (!ended_.empty()) {
    auto& exchange = ended_.front();
    ended_.pop_front();
    try {
      exchange.waiter.get()->wake();
    } catch (...) {  // from a coroutine's completion, for the loop's caller
      waking_ = false;
      wake_later();
      throw;
    }
  }
}

void ClientPool::wake_later() {
  if (std::exchange(waking_, true)) return;
  asio::post(context_, [self = shared_from_this()] {
    self->wake();
    self->waking_ = false;
  });
}

ClientHost& ClientPool::host_of(Url const& url) {
  auto origin = url.origin();
  auto& host = hosts_[origin];
  if (host) return *host;
  host = std::make_unique<ClientHost>();
  host->url = url;
  host->origin = std::move(origin);
  return *host;
}

void ClientPool::submit(ClientExchange& exchange, std::chrono::milliseconds deadline) {
  ++exchanges_;
  if (shut_down_) return fail(exchange, ClientError::Kind::cancelled, "the client is gone");
  now_ = Clock::now();
  busy_until_ = now_ + std::chrono::seconds(1);
  exchange.last_deadline = now_ + deadline;
  exchange_deadlines_.set(exchange, exchange.last_deadline);
  keep_turning();
  exchange.host.queue.push_back(exchange);
  ++exchange.host.waiting;
  pump(exchange.host);
}

void ClientPool::expect_end(ClientExchange& exchange) {
  auto const enough_at = exchange.reader->enough_at();
  if (!enough_at && !exchange.has_enough) return;
  exchange.has_enough = enough_at.has_value();
  exchange_deadlines_.set(exchange, std::min(enough_at.value_or(exchange.last_deadline), exchange.last_deadline));
}

void ClientPool::finish(ClientExchange& exchange, std::exception_ptr failure) {
  --exchanges_;
  TimerWheel::clear(exchange);
  exchange.failure = std::move(failure);
  exchange.cancellation.clear();
  if (exchange.waiter.get() == nullptr) return;
  if (shut_down_) return exchange.waiter.get()->post();
  exchange.has_ended = true;
  ended_.push_back(exchange);
  wake_later();
}

void ClientPool::fail(ClientExchange& exchange, ClientError::Kind kind, std::string const& reason) {
  auto const sent = exchange.sent > 0;
  leave_queue(exchange);
  if (auto* const connection = std::exchange(exchange.connection, nullptr)) connection->abandon();
  finish(exchange, std::make_exception_ptr(ClientError(kind, exchange.host.origin + ": " + reason, sent)));
}

void ClientPool::leave_queue(ClientExchange& exchange) {
  if (exchange.has_ended || !exchange.QueueHook::is_linked()) return;
  exchange.QueueHook::unlink();
  --exchange.host.waiting;
}

void ClientPool::pump(ClientHost& host) {
  if (host.pumping) return;
  if (serving_) {
    if (std::find(unpumped_.begin(), unpumped_.end(), &host) == unpumped_.end()) unpumped_.push_back(&host);
    return;
  }
  host.pumping = true;
  while (!host.queue.empty() && !host.idle.empty()) {
    ClientConnection::Pointer const connection(&host.idle.back());
    host.idle.pop_back();
    if (!connection->is_trusted(now_) && !connection->alive()) {
      connection->close();
      continue;
    }
    auto& exchange = host.queue.front();
    leave_queue(exchange);
    if (connection->carry(exchange)) continue;
    connection->close();
    if (exchange.replaced) {
      fail(exchange, ClientError::Kind::closed, "the connection broke before anything was sent");
      continue;
    }
    exchange.replaced = true;
    host.queue.push_front(exchange);
    ++host.waiting;
  }
  while (host.opening < std::min(host.waiting, settings_.max_connecting_per_host) &&
         host.open < settings_.max_connections_per_host) {
    if (host.addresses.empty() || Clock::now() - host.resolved > settings_.name_lifetime) {
      resolve(host);
      break;
    }
    ++host.open;
    ++host.opening;
    ++opened_;
    ClientConnection::Pointer const connection(new ClientConnection(*this, host));
    connections_.push_back(*connection);
    connection->open();
  }
  host.pumping = false;
}

void ClientPool::resolve(ClientHost& host) {
  if (host.resolving) return;
  error_code not_an_address;
  auto const address = asio::ip::make_address(host.url.host, not_an_address);
  if (!not_an_address) {
    host.addresses.assign(1, {address, host.url.port});
    host.resolved = Clock::time_point::max() - settings_.name_lifetime;
    asio::post(context_, [weak = weak_from_this(), &host] {
      if (auto const self = weak.lock()) self->pump(host);
    });
    return;
  }
  host.resolving = true;
  resolver_.async_resolve(host.url.host, std::to_string(host.url.port),
                          [weak = weak_from_this(), &host](error_code error, auto const& results) {
                            if (auto const self = weak.lock()) self->resolved(host, error, results);
                          });
}

void ClientPool::resolved(ClientHost& host, error_code error, asio::ip::tcp::resolver::results_type const& results) {
  host.resolving = false;
  host.addresses.clear();
  for (auto const& result : results) host.addresses.push_back(result.endpoint());
  host.resolved = now_ = Clock::now();
  if (!error && !host.addresses.empty()) return pump(host);
  while (!host.queue.empty()) {
    fail(host.queue.front(), ClientError::Kind::connect, "the name cannot be resolved: " + error.message());
  }
}

void ClientPool::opened(ClientConnection& connection, ClientHost& host) {
  --host.opening;
  released(connection, host);
}

void ClientPool::released(ClientConnection& connection, ClientHost& host) {
  host.idle.push_back(connection);
  connection.is_idle_since(now_);
  time_connection(connection, settings_.keep_alive_timeout);
  pump(host);
}

void ClientPool::open_failed(ClientHost& host, std::string const& reason) {
  if (!host.addresses.empty() && host.resolved < Clock::now()) host.resolved = {};  // resolve the name again
  if (!host.queue.empty()) fail(host.queue.front(), ClientError::Kind::connect, "no connection: " + reason);
  pump(host);
}

void ClientPool::closed(ClientConnection& connection, ClientHost& host, bool was_opening) {
  connection.QueueHook::unlink();
  --host.open;
  if (was_opening) --host.opening;
  if (connection.IdleHook::is_linked()) host.idle.erase(host.idle.iterator_to(connection));
  if (!was_opening && host.waiting > 0) pump(host);
}

void ClientPool::time_connection(ClientConnection& connection, std::chrono::milliseconds after) {
  connection_deadlines_.set(connection, now_ + after);
  keep_turning();
}

TlsContext const& ClientPool::tls() {
  if (!tls_) tls_.emplace(settings_.ca_file);
  return *tls_;
}

// Every 10 ms while there is work, four times a second while connections are only kept, else not at all.
void ClientPool::keep_turning() {
  auto const slowly = exchanges_ == 0 && now_ > busy_until_;
  if (turning_ && (slowly || !turning_slowly_)) return;
  turning_ = true;
  turning_slowly_ = slowly;
  timer_.expires_after(slowly ? std::chrono::milliseconds(250) : TimerWheel::tick);
  timer_.async_wait([weak = weak_from_this()](error_code error) {
    if (error) return;
    if (auto const self = weak.lock()) self->turn();
  });
}

void ClientPool::turn() {
  turning_ = false;
  now_ = Clock::now();
  exchange_deadlines_.turn(now_, [this](WheelEntry& entry) {
    auto& exchange = static_cast<ClientExchange&>(entry);
    if (exchange.has_enough && exchange.connection != nullptr) {
      ClientConnection::Pointer const connection(exchange.connection);
      return connection->stop_reading();
    }
    fail(
        exchange, ClientError::Kind::timeout,
        exchange.connection == nullptr ? "no connection within the deadline" : "no whole response within the deadline");
  });
  connection_deadlines_.turn(now_, [](WheelEntry& entry) {
    ClientConnection::Pointer const connection(&static_cast<ClientConnection&>(entry));
    connection->expire();
  });
  if (exchanges_ > 0 || !connections_.empty()) keep_turning();
}

void ClientPool::shutdown() {
  shut_down_ = true;
  resolver_.cancel();
  timer_.cancel();
  while (!ended_.empty()) {
    auto& exchange = ended_.front();
    ended_.pop_front();
    exchange.waiter.get()->post();
  }
  // The loop destroys the coroutines of those that have not ended.
  for (auto const& [origin, host] : hosts_) {
    host->pumping = true;  // no exchange begins any more
    for (auto& exchange : host->queue) exchange.waiter.reset();
  }
  std::vector<ClientConnection::Pointer> connections;
  for (auto& connection : connections_) connections.emplace_back(&connection);
  for (auto const& connection : connections) {
    if (auto* const exchange = connection->exchange()) {
      exchange->waiter.reset();
      exchange->connection = nullptr;
    }
    connection->abandon();
  }
  sockets_.close();
}

Client::Counts ClientPool::counts() const {
  Client::Counts counts;
  for (auto const& [origin, host] : hosts_) {
    counts.open += host->open;
    counts.idle += host->idle.size();
    counts.waiting += host->waiting;
  }
  counts.opened = opened_;
  return counts;
}

}  // namespace omnibus::http
