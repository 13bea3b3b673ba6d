/// The HTTP/1.1 server of the gateway, of every worker's metrics port and of the simulator.
#pragma once

#include "concurrency/task.hpp"
#include "http/message.hpp"
#include "http/router.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>

namespace omnibus::http {

/// Limits of a server. A request over a limit is answered and closed, never served in part.
struct ServerSettings {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;                               ///< 0: any free one, see Server::port()
  std::size_t max_header_bytes = 16 * 1024;             ///< 431
  std::size_t max_body_bytes = 1024 * 1024;             ///< 413
  std::size_t max_connections = 10000;                  ///< 503 and closed
  std::chrono::milliseconds header_timeout{10000};      ///< from the first byte of a request to its last header; 408
  std::chrono::milliseconds body_timeout{30000};        ///< for the whole body; 408
  std::chrono::milliseconds keep_alive_timeout{60000};  ///< between two requests; closed
  std::chrono::milliseconds write_timeout{30000};       ///< for one response or one piece of a stream; closed
  std::size_t max_requests_per_connection = 1000000;    ///< then "Connection: close"
  int backlog = 4096;
};

/// Called for every answered request with the route's pattern (empty when none matched), the status and the duration,
/// on the connection's executor, possibly from several threads at once.
using RequestObserver =
    std::function<void(Request const& request, std::string_view pattern, int status, std::chrono::nanoseconds took)>;

/// Serves a Router. Each connection has its own strand, so the executor's context may be run by several threads.
/// Pipelined requests are answered one after the other; waiting ones stay in the kernel, so their number is bounded.
/// If a handler throws, the response is a 500 without internal details.
class Server {
 public:
  Server(boost::asio::any_io_executor executor, ServerSettings settings, Router router, RequestObserver observer = {});
  /// Closes everything at once. Destroy it only when its context no longer runs, or after stop().
  ~Server();
  Server(Server const&) = delete;
  Server& operator=(Server const&) = delete;

  /// Binds and starts to accept. @throws boost::system::system_error with the address when it cannot be bound.
  void start();
  /// The listening port; valid after start().
  std::uint16_t port() const;
  /// Connections that are open now.
  std::size_t connections() const;
  /// Stops accepting, closes idle connections, asks streams to end, lets running requests finish until the deadline
  /// and then closes them.
  Task<> stop(std::chrono::milliseconds deadline);

  class Implementation;

 private:
  std::shared_ptr<Implementation> implementation_;
};

}  // namespace omnibus::http
