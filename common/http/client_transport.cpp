#include "http/client_transport.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <stdexcept>

#include <boost/asio/ip/address.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

namespace omnibus::http {
namespace {

int clamp(std::size_t size) {
  return static_cast<int>(std::min<std::size_t>(size, std::numeric_limits<int>::max()));
}

ClientTransport::Result socket_result(ssize_t returned) {
  using Status = ClientTransport::Status;
  if (returned > 0) return {Status::ok, static_cast<std::size_t>(returned)};
  if (returned == 0) return {Status::closed};
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {Status::want_read};
  return {Status::failed};
}

}  // namespace

TlsContext::TlsContext(std::string const& ca_file) : context_(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free) {
  if (!context_) throw std::runtime_error("OpenSSL cannot be used");
  SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(context_.get(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  auto const loaded = ca_file.empty() ? SSL_CTX_set_default_verify_paths(context_.get())
                                      : SSL_CTX_load_verify_locations(context_.get(), ca_file.c_str(), nullptr);
  if (loaded != 1) throw std::runtime_error("the certificates of " + ca_file + " cannot be read: set another CA file");
}

bool ClientTransport::connect(boost::asio::ip::tcp::endpoint const& endpoint) {
  socket_ = ::socket(endpoint.protocol().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (socket_ < 0) return false;
  auto const on = 1;
  if (setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) return false;
  return ::connect(socket_, endpoint.data(), static_cast<socklen_t>(endpoint.size())) == 0 || errno == EINPROGRESS;
}

int ClientTransport::connect_error() const {
  auto error = 0;
  socklen_t size = sizeof error;
  return getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

void ClientTransport::secure(TlsContext const& context, std::string const& host) {
  ssl_.reset(SSL_new(context.get()));
  if (!ssl_) throw std::runtime_error("OpenSSL cannot be used");
  boost::system::error_code not_an_address;
  boost::asio::ip::make_address(host, not_an_address);
  if (not_an_address) {
    SSL_set_tlsext_host_name(ssl_.get(), host.c_str());
    SSL_set_hostflags(ssl_.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SSL_set1_host(ssl_.get(), host.c_str());
  } else {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), host.c_str());
  }
  SSL_set_fd(ssl_.get(), socket_);
  SSL_set_connect_state(ssl_.get());
}

ClientTransport::Result ClientTransport::tls_result(int returned) {
  if (returned > 0) return {Status::ok, static_cast<std::size_t>(returned)};
  switch (SSL_get_error(ssl_.get(), returned)) {
    case SSL_ERROR_WANT_READ:
      return {Status::want_read};
    case SSL_ERROR_WANT_WRITE:
      return {Status::want_write};
    case SSL_ERROR_ZERO_RETURN:
      return {Status::closed};
    default:
      return {Status::failed};
  }
}

ClientTransport::Result ClientTransport::handshake() {
  ERR_clear_error();
  return tls_result(SSL_do_handshake(ssl_.get()));
}

ClientTransport::Result ClientTransport::read(char* to, std::size_t size) {
  if (!ssl_) return socket_result(::recv(socket_, to, size, MSG_DONTWAIT));
  ERR_clear_error();
  return tls_result(SSL_read(ssl_.get(), to, clamp(size)));
}

ClientTransport::Result ClientTransport::write(std::string_view bytes) {
  if (ssl_) {
    ERR_clear_error();
    return tls_result(SSL_write(ssl_.get(), bytes.data(), clamp(bytes.size())));
  }
  auto result = socket_result(::send(socket_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
  if (result.status == Status::want_read) result.status = Status::want_write;
  return result;
}

std::string ClientTransport::failure() const {
  if (!ssl_) return {};
  auto const verified = SSL_get_verify_result(ssl_.get());
  if (verified != X509_V_OK) return X509_verify_cert_error_string(verified);
  auto const error = ERR_peek_last_error();
  if (error == 0) return "the connection broke in the handshake";
  auto const* const reason = ERR_reason_error_string(error);
  return reason != nullptr ? reason : "the handshake failed";
}

void ClientTransport::close() {
  if (ssl_) SSL_set_quiet_shutdown(ssl_.get(), 1);
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

}  // namespace omnibus::http
