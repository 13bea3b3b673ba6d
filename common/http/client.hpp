/// The HTTP/1.1 client for all outgoing calls: keep-alive connections per host, one deadline per request,
/// and little memory for each request that waits.
#pragma once

#include "concurrency/task.hpp"
#include "http/message.hpp"
#include "http/response_parser.hpp"
#include "http/url.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>

namespace omnibus::http {

/// Why a request has no complete response.
class ClientError : public std::runtime_error {
 public:
  enum class Kind {
    connect,    ///< no connection: name, address, handshake or certificate
    timeout,    ///< the deadline passed
    closed,     ///< the connection broke in the middle
    too_large,  ///< the response exceeds its limit
    protocol,   ///< the peer's bytes are not HTTP/1.1
    cancelled,  ///< the coroutine was cancelled or the client destroyed
  };
  ClientError(Kind kind, std::string const& reason, bool sent) : runtime_error(reason), kind_(kind), sent_(sent) {}
  Kind kind() const { return kind_; }
  /// Whether any part of the request may have reached the other side.
  bool sent() const { return sent_; }

 private:
  Kind kind_;
  bool sent_;
};

struct HttpClientSettings {
  std::chrono::milliseconds connect_timeout{5000};      ///< name, connection and handshake, per address
  std::chrono::milliseconds keep_alive_timeout{30000};  ///< of an idle connection
  std::chrono::milliseconds name_lifetime{30000};       ///< how long a resolved name is used
  std::size_t max_connections_per_host = 20000;         ///< further requests wait in order
  std::size_t max_connecting_per_host = 256;            ///< handshakes under way at once
  std::size_t max_head_bytes = 32 * 1024;
  std::string ca_file;  ///< PEM; empty: the certificates of the system
};

struct ClientRequest {
  std::string method = "GET";
  Url url;
  Headers headers;
  std::string body;
  std::chrono::milliseconds deadline{30000};  ///< for everything: waiting, connecting, sending, the whole response
  std::size_t max_response_bytes = 8 * 1024 * 1024;
};

class ClientPool;
struct ClientHost;
class Client;

/// The head of POST requests that differ in their bodies alone, and whom they go to. Built once, for one client, which
/// must outlive it.
class PostHead {
 public:
  /// @param headers without Host and Content-Length
  /// @throws std::invalid_argument for a header with a line break.
  PostHead(Client& client, Url const& url, Headers const& headers);

 private:
  friend class PostRequest;
  friend class Client;
  ClientHost* host_;
  std::string text_;  // up to the value of Content-Length, which is the last header
};

/// A POST request whose body is written into the bytes that are sent, behind room for the head.
class PostRequest {
 public:
  /// The head must stay until the request is sent. A body of up to `expected_bytes` needs no further memory.
  explicit PostRequest(PostHead const& head, std::size_t expected_bytes = 0);
  /// Append the body to it, and nothing else.
  std::string& body() { return wire_; }

 private:
  friend class Client;
  /// Writes the head in front of the body. @return where the request begins
  std::size_t finish();

  PostHead const& head_;
  std::size_t room_;
  std::string wire_;
};

/// Takes a response as it arrives. Called on the client's thread; an exception ends the request and reaches its caller.
class ResponseReader {
 public:
  virtual ~ResponseReader() = default;
  virtual void head(ResponseHead const& head) = 0;
  /// Takes a piece of the body. False stops reading: the request succeeds and the connection is closed.
  virtual bool body(std::string_view piece) = 0;
  /// When what has come is enough: if the response has not ended by then, the request succeeds and the connection is
  /// closed. Nothing: it must end within the deadline. Asked after the head and each piece, as it may change.
  virtual std::optional<std::chrono::steady_clock::time_point> enough_at() const { return std::nullopt; }
};

/// Sends requests without retrying, except in one case: a kept connection that turns out to be dead before a
/// byte was sent is replaced once. Use it only on the thread that runs its context, which must outlive it.
/// Requests are cancelled by cancelling their coroutine.
class Client {
 public:
  explicit Client(boost::asio::io_context& context, HttpClientSettings settings = {});
  /// Abandons requests that still run: their coroutines are destroyed without being resumed.
  ~Client();
  Client(Client const&) = delete;
  Client& operator=(Client const&) = delete;

  /// Sends a request and passes the response to the reader, which must live until the task ends. The request is taken
  /// over at once, the task may start later. @throws ClientError, std::invalid_argument for a header with a line break,
  /// OutgoingRefused in a replay.
  Task<> send(ClientRequest const& request, ResponseReader& reader);
  /// Sends a request as above. @throws ClientError, OutgoingRefused
  Task<> send(PostRequest request, std::chrono::milliseconds deadline, std::size_t max_response_bytes,
              ResponseReader& reader);
  /// Sends a request and collects the whole response. @throws ClientError, OutgoingRefused
  Task<Response> fetch(ClientRequest const& request);

  struct Counts {
    std::size_t open = 0;  ///< connections, idle ones among them
    std::size_t idle = 0;
    std::size_t waiting = 0;  ///< requests that wait for a connection
    std::size_t opened = 0;   ///< connections ever opened
  };
  Counts counts() const;

 private:
  friend class PostHead;
  std::shared_ptr<ClientPool> pool_;
};

}  // namespace omnibus::http
