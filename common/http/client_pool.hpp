/// Connections, hosts and requests of one client. Internal to the client; everything here runs on one thread.
#pragma once

#include "http/client.hpp"
#include "http/client_transport.hpp"
#include "http/response_parser.hpp"
#include "http/socket_set.hpp"
#include "http/timer_wheel.hpp"

#include <array>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/intrusive/list.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

namespace omnibus::http {

class ClientConnection;
struct ClientHost;

/// Wakes a waiting coroutine, for any type of its handler.
struct ClientWaiter {
  virtual ~ClientWaiter() = default;
  /// Resumes it at once, and may be gone afterwards. @throws what its completion throws
  virtual void wake() = 0;
  /// Leaves it to the event loop.
  virtual void post() = 0;
};

/// Holds a waiter within its exchange, without an allocation.
class WaiterPlace {
 public:
  WaiterPlace() = default;
  WaiterPlace(WaiterPlace const&) = delete;
  WaiterPlace& operator=(WaiterPlace const&) = delete;
  ~WaiterPlace() { reset(); }

  template <class Waiter, class Handler>
  void emplace(Handler handler) {
    static_assert(sizeof(Waiter) <= sizeof place_ && alignof(Waiter) <= alignof(void*));
    waiter_ = new (&place_) Waiter(std::move(handler));
  }
  void reset() {
    if (auto* const waiter = std::exchange(waiter_, nullptr)) waiter->~ClientWaiter();
  }
  ClientWaiter* get() const { return waiter_; }

 private:
  std::array<void*, 4> place_;
  ClientWaiter* waiter_ = nullptr;
};

struct QueueTag;
using QueueHook = boost::intrusive::list_base_hook<boost::intrusive::tag<QueueTag>,
                                                   boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

struct IdleTag;
using IdleHook = boost::intrusive::list_base_hook<boost::intrusive::tag<IdleTag>>;

/// One request in progress. Lives in the frame of the coroutine that waits for it.
struct ClientExchange : WheelEntry, QueueHook {
  ClientExchange(ClientPool& its_pool, ClientHost& its_host) : pool(its_pool), host(its_host) {}
  ClientExchange(ClientExchange const&) = delete;
  ClientExchange& operator=(ClientExchange const&) = delete;
  ~ClientExchange();

  std::string_view unsent() const { return std::string_view(wire).substr(begin + sent); }
  bool all_sent() const { return begin + sent >= wire.size(); }
  void has_sent(std::size_t bytes) {
    sent += bytes;
    if (all_sent()) std::string{}.swap(wire);
  }

  ClientPool& pool;
  ClientHost& host;
  ResponseReader* reader = nullptr;
  ClientConnection* connection = nullptr;
  std::string wire;       // the request as it is sent, from `begin` on; freed once all of it is
  std::size_t begin = 0;  // in `wire`
  std::size_t sent = 0;
  std::size_t received = 0;
  std::size_t max_response_bytes = 0;
  std::chrono::steady_clock::time_point last_deadline;  // the request's own; its reader may have enough before
  std::exception_ptr failure;
  WaiterPlace waiter;
  boost::asio::cancellation_slot cancellation;
  bool head_request = false;
  bool replaced = false;    // its first connection was dead
  bool has_enough = false;  // its deadline is that of its reader
  bool has_ended = false;   // it stands among those to be woken
};

/// One connection: opening, idle or busy with one exchange. Keeps itself until it is closed.
class ClientConnection final : public boost::intrusive_ref_counter<ClientConnection, boost::thread_unsafe_counter>,
                               public SocketWatcher,
                               public WheelEntry,
                               public QueueHook,
                               public IdleHook {
 public:
  enum class State : std::uint8_t { connecting, securing, idle, busy, closed };
  using Pointer = boost::intrusive_ptr<ClientConnection>;

  ClientConnection(ClientPool& pool, ClientHost& host);

  void open();
  void ready(std::uint32_t events) override;
  void prefetch(unsigned turns) const override;
  /// Gives an idle connection an exchange. False when the connection is dead: then nothing of the exchange was sent.
  bool carry(ClientExchange& exchange);
  /// Whether an idle connection is still open and silent. Asks the system.
  bool alive();
  /// Whether an idle connection need not be asked: if it had been closed, the set would have told by now.
  bool is_trusted(std::chrono::steady_clock::time_point now) const;
  void is_idle_since(std::chrono::steady_clock::time_point now) { idle_since_ = now; }
  void close();
  /// The connect or keep-alive timeout expired.
  void expire();
  /// The response has not ended, but its reader has enough of it.
  void stop_reading() { complete(false); }
  /// The exchange is abandoned before its end; the connection cannot be used any more.
  void abandon();

  ClientExchange* exchange() const { return exchange_; }

 private:
  bool is_opening() const { return state_ == State::connecting || state_ == State::securing; }
  void connected(std::uint32_t events);
  void try_next(std::string const& reason);
  void handshake();
  void established();
  void read(bool until_closed);
  void write();
  /// False when the exchange has ended.
  bool consume(std::string_view input);
  void ended_by_peer(bool orderly);
  void complete(bool reusable);
  void fail(std::exception_ptr failure);
  void fail(ClientError::Kind kind, char const* reason);
  void close_socket();

  Pointer self_;
  ClientPool* pool_;
  ClientHost* host_;
  ClientExchange* exchange_ = nullptr;
  ClientTransport transport_;
  ResponseParser parser_;
  std::chrono::steady_clock::time_point idle_since_{};
  std::uint32_t address_ = 0;
  std::uint32_t carried_ = 0;
  State state_ = State::connecting;
  bool has_unread_ = false;
};

struct ClientHost {
  Url url;
  std::string origin;
  std::vector<boost::asio::ip::tcp::endpoint> addresses;
  TimerWheel::Clock::time_point resolved{};
  bool resolving = false;
  bool pumping = false;
  std::size_t open = 0;
  std::size_t opening = 0;
  std::size_t waiting = 0;
  // The one used last is at the end. One that its server closes leaves in constant time, wherever it stands.
  boost::intrusive::list<ClientConnection, boost::intrusive::base_hook<IdleHook>> idle;
  boost::intrusive::list<ClientExchange, boost::intrusive::base_hook<QueueHook>,
                         boost::intrusive::constant_time_size<false>>
      queue;
};

class ClientPool : public std::enable_shared_from_this<ClientPool> {
 public:
  using Clock = TimerWheel::Clock;

  ClientPool(boost::asio::io_context& context, HttpClientSettings settings);

  ClientHost& host_of(Url const& url);
  /// Begins an exchange whose waiter is set.
  void submit(ClientExchange& exchange, std::chrono::milliseconds deadline);
  /// Moves an exchange's deadline to when its reader has enough.
  void expect_end(ClientExchange& exchange);
  /// Ends an exchange and wakes its coroutine.
  void finish(ClientExchange& exchange, std::exception_ptr failure);
  /// Ends an exchange that may be queued or in progress.
  void fail(ClientExchange& exchange, ClientError::Kind kind, std::string const& reason);
  void leave_queue(ClientExchange& exchange);
  /// Assigns waiting exchanges to connections, and opens connections if needed. While sockets are served it only notes
  /// the host, which is pumped after the last of them: requests that are sent one right after the other cost a tenth
  /// less than requests between answers, because the kernel's code for sending stays in the cache, and a server on the
  /// same machine is woken less often.
  void pump(ClientHost& host);
  void opened(ClientConnection& connection, ClientHost& host);
  void open_failed(ClientHost& host, std::string const& reason);
  void released(ClientConnection& connection, ClientHost& host);
  void closed(ClientConnection& connection, ClientHost& host, bool was_opening);
  void time_connection(ClientConnection& connection, std::chrono::milliseconds after);
  TlsContext const& tls();
  void shutdown();
  Client::Counts counts() const;

  /// Awaits the sockets' readiness; call it once.
  void start() { await_sockets(); }

  SocketSet& sockets() { return sockets_; }
  HttpClientSettings const& settings() const { return settings_; }
  std::array<char, 64 * 1024>& buffer() { return *buffer_; }

 private:
  void resolve(ClientHost& host);
  void resolved(ClientHost& host, boost::system::error_code error,
                boost::asio::ip::tcp::resolver::results_type const& results);
  void await_sockets();
  void serve_sockets();
  /// Resumes the coroutines whose exchanges have ended.
  void wake();
  void wake_later();
  void keep_turning();
  void turn();

  boost::asio::io_context& context_;
  HttpClientSettings settings_;
  boost::asio::ip::tcp::resolver resolver_;
  boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>, boost::asio::io_context::executor_type>
      timer_;
  SocketSet sockets_;
  TimerWheel exchange_deadlines_;
  TimerWheel connection_deadlines_;
  std::unordered_map<std::string, std::unique_ptr<ClientHost>> hosts_;
  boost::intrusive::list<ClientConnection, boost::intrusive::base_hook<QueueHook>,
                         boost::intrusive::constant_time_size<false>>
      connections_;
  boost::intrusive::list<ClientExchange, boost::intrusive::base_hook<QueueHook>,
                         boost::intrusive::constant_time_size<false>>
      ended_;  // their coroutines are to be woken
  std::optional<TlsContext> tls_;
  std::unique_ptr<std::array<char, 64 * 1024>> buffer_;  // received bytes pass through here and are not kept
  Clock::time_point now_;                                // when the latest request or batch of sockets came
  Clock::time_point busy_until_{};
  std::vector<ClientHost*> unpumped_;  // to be pumped once the sockets at hand are served
  std::size_t exchanges_ = 0;
  std::size_t opened_ = 0;
  bool shut_down_ = false;
  bool serving_ = false;
  bool waking_ = false;  // wake() will be called
  bool turning_ = false;
  bool turning_slowly_ = false;
};

}  // namespace omnibus::http
