#include "http/client.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

namespace omnibus::http {
namespace {

namespace asio = boost::asio;

/// A certificate for "localhost" that signs itself, and a server that shows it and answers each request with "ok".
class TlsPeer {
 public:
  TlsPeer() : acceptor_(context_, {asio::ip::make_address("127.0.0.1"), 0}) {
    certificate_ = std::filesystem::temp_directory_path() / ("omnibus_tls_test_" + std::to_string(getpid()) + ".pem");
    make_certificate();
    tls_.use_certificate_file(certificate_.string(), asio::ssl::context::pem);
    tls_.use_private_key_file(certificate_.string(), asio::ssl::context::pem);
    thread_ = std::thread([this] { serve(); });
  }
  ~TlsPeer() {
    stopping_ = true;
    asio::ip::tcp::socket wake(context_);
    boost::system::error_code ignored;
    wake.connect(acceptor_.local_endpoint(), ignored);
    wake.close(ignored);
    thread_.join();
    std::filesystem::remove(certificate_);
  }
  std::string certificate() const { return certificate_.string(); }
  std::string url(std::string const& host) const {
    return "https://" + host + ":" + std::to_string(acceptor_.local_endpoint().port()) + "/";
  }
  std::string server_name() const { return name_; }

 private:
  void make_certificate() {
    auto* const key = EVP_EC_gen("P-256");
    auto* const certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    auto* const name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<unsigned char const*>("test"), -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    auto* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:localhost");
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    X509_sign(certificate, key, EVP_sha256());
    auto* const file = std::fopen(certificate_.c_str(), "w");
    PEM_write_X509(file, certificate);
    PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
  void serve() {
    while (true) {
      boost::system::error_code error;
      asio::ssl::stream<asio::ip::tcp::socket> stream(context_, tls_);
      acceptor_.accept(stream.next_layer(), error);
      if (error || stopping_) return;
      stream.handshake(asio::ssl::stream_base::server, error);
      if (error) continue;
      auto const* const name = SSL_get_servername(stream.native_handle(), TLSEXT_NAMETYPE_host_name);
      name_ = name != nullptr ? name : "";
      asio::streambuf buffer;
      while (true) {
        auto const size = asio::read_until(stream, buffer, "\r\n\r\n", error);
        if (error) break;
        buffer.consume(size);
        asio::write(stream,
                    asio::buffer("HTTP/1.1 200 OK\r\nContent-Length: 100002\r\n\r\nok" + std::string(100000, '.')),
                    error);
      }
    }
  }

  asio::io_context context_;
  asio::ip::tcp::acceptor acceptor_;
  asio::ssl::context tls_{asio::ssl::context::tls_server};
  std::filesystem::path certificate_;
  std::string name_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

/// How often "ok" came back out of three requests, or why not.
std::string ask(TlsPeer const& peer, std::string const& host, std::string const& ca_file) {
  asio::io_context context;
  HttpClientSettings settings;
  settings.ca_file = ca_file;
  Client client(context, settings);
  ClientRequest request;
  request.url = parse_url(peer.url(host)).value();
  request.deadline = std::chrono::seconds(5);
  std::string result;
  for (auto i = 0; i < 3; ++i) {
    auto ended = false;
    asio::co_spawn(context, client.fetch(request), [&](std::exception_ptr error, Response const& response) {
      ended = true;
      try {
        if (error) std::rethrow_exception(error);
        result += response.body.size() == 100002 ? response.body.substr(0, 2) : "short";
      } catch (ClientError const& failure) {
        result = failure.what();
      }
    });
    context.restart();  // it stops when a request leaves nothing behind
    while (!ended) context.run_one();
  }
  return result + (client.counts().opened == 1 ? " over one connection" : "");
}

}  // namespace

TEST_CASE("https is verified, sends the server's name and keeps its connection") {
  TlsPeer peer;
  CHECK(ask(peer, "localhost", peer.certificate()) == "okokok over one connection");
  CHECK(peer.server_name() == "localhost");
}

TEST_CASE("a certificate that is unknown or for somebody else is refused") {
  TlsPeer peer;
  CHECK(ask(peer, "localhost", "").find("self-signed certificate") != std::string::npos);
  CHECK(ask(peer, "127.0.0.1", peer.certificate()).find("IP address mismatch") != std::string::npos);
}

}  // namespace omnibus::http
