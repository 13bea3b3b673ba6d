#include "http/server.hpp"
#include "raw_peer.hpp"

#include <chrono>
#include <exception>
#include <future>
#include <string>

#include <doctest/doctest.h>

namespace omnibus::http {
namespace {

/// Serves 100,000 bytes with their length, and keeps whether the peer broke off.
struct SizedServer {
  std::promise<bool> broken;
  RunningServer server{router()};

  Router router() {
    Router routes;
    routes.get("/next", [](Request const&) -> Task<Response> { co_return text_response(200, "served on"); });
    routes.add_stream("GET", "/file", [this](Request const& request, Stream& stream) -> Task<> {
      auto starting = stream.start(200, Headers{{"Content-Length", "100000"}});
      co_await std::move(starting);
      if (request.method == "HEAD") co_return;
      std::string const bytes(49'999, 'x');
      try {
        for (auto const* const end : {"-", "$"}) {
          auto const piece = bytes + end;
          auto writing = stream.write(piece);
          co_await std::move(writing);
        }
        auto listening = stream.wait(std::chrono::milliseconds{500});
        co_await std::move(listening);
      } catch (std::exception const&) {
        // The peer has closed while it was written to.
      }
      broken.set_value(stream.broken());
    });
    return routes;
  }
};

constexpr std::string_view next = "GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

}  // namespace

TEST_CASE("a stream with a length is sent as it is, and the connection serves on") {
  SizedServer sized;
  RawPeer peer(sized.server.port());
  peer.send("GET /file HTTP/1.1\r\nHost: x\r\n\r\n");
  auto const answer = peer.read_until("$");
  CHECK(answer.find("Content-Length: 100000\r\n") != std::string::npos);
  CHECK(answer.find("Transfer-Encoding") == std::string::npos);
  CHECK(answer.size() - answer.find("\r\n\r\n") - 4 == 100'000);
  CHECK_FALSE(sized.broken.get_future().get());
  peer.send(next);
  CHECK(peer.read_all().ends_with("served on"));
}

TEST_CASE("a HEAD request gets the length alone") {
  SizedServer sized;
  CHECK(exchange(sized.server.port(), "HEAD /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .find("Content-Length: 100000\r\n") != std::string::npos);
}

TEST_CASE("a peer that closes with bytes unread broke off; one that has read all did not") {
  SizedServer sized;
  RawPeer peer(sized.server.port());
  peer.send("GET /file HTTP/1.1\r\nHost: x\r\n\r\n");
  SUBCASE("half") {
    peer.read_until("xxx");
    peer.close();
    CHECK(sized.broken.get_future().get());
  }
  SUBCASE("all") {
    peer.read_until("$");
    peer.close();
    CHECK_FALSE(sized.broken.get_future().get());
  }
}

}  // namespace omnibus::http
