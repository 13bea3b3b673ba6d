/// The bytes of one client connection: plain TCP or TLS over the same non-blocking socket. Internal to the client.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/ip/tcp.hpp>
#include <openssl/ssl.h>

namespace omnibus::http {

/// Settings of TLS shared by all connections of a client: verification on, TLS 1.2 or newer, small buffers.
class TlsContext {
 public:
  /// @throws std::runtime_error when the certificates of `ca_file` cannot be read.
  explicit TlsContext(std::string const& ca_file);
  SSL_CTX* get() const { return context_.get(); }

 private:
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
};

/// Reads and writes without blocking and reports what to wait for. TLS works directly on the socket's descriptor, so an
/// idle connection holds no buffers.
class ClientTransport {
 public:
  enum class Status { ok, want_read, want_write, closed, failed };
  struct Result {
    Status status;
    std::size_t bytes = 0;
  };

  ClientTransport() = default;
  ClientTransport(ClientTransport const&) = delete;
  ClientTransport& operator=(ClientTransport const&) = delete;
  ~ClientTransport() { close(); }

  /// Begins to connect. False with the reason in errno.
  bool connect(boost::asio::ip::tcp::endpoint const& endpoint);
  /// Why the connection could not be made, as errno has it; 0 when nothing speaks against it.
  int connect_error() const;
  /// The descriptor; -1 before connect() and after close().
  int socket() const { return socket_; }
  /// Prepares for TLS on a connected socket: the name is verified, and sent when it is not an address.
  void secure(TlsContext const& context, std::string const& host);
  bool secured() const { return ssl_ != nullptr; }
  Result handshake();
  Result read(char* to, std::size_t size);
  Result write(std::string_view bytes);
  /// The handshake's error, as text for people.
  std::string failure() const;
  void close();

 private:
  Result tls_result(int returned);

  int socket_ = -1;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_{nullptr, &SSL_free};
};

}  // namespace omnibus::http
