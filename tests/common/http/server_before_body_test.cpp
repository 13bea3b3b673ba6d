#include "http/server.hpp"
#include "raw_peer.hpp"

#include <atomic>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>

namespace omnibus::http {
namespace {

/// A server that answers with the size of the body, and refuses whoever has no token before the body.
struct GuardedServer {
  std::atomic<int> asked{0};
  std::atomic<int> handled{0};
  RunningServer server{routes()};

  Router routes() {
    Router router;
    router.post("/size", [this](Request const& request) -> Task<Response> {
      ++handled;
      co_return text_response(200, fmt::format("{} bytes", request.body.size()));
    });
    router.before_body([this](Request const& request) -> Task<std::optional<Response>> {
      ++asked;
      if (request.headers.contains("Authorization")) co_return std::nullopt;
      co_return problem(401, {}, "send a token");
    });
    return router;
  }
};

constexpr std::string_view head = "POST /size HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";

}  // namespace

TEST_CASE("whoever is refused before the body is answered without sending it") {
  GuardedServer guarded;
  auto const answer = exchange(guarded.server.port(), fmt::format("{}Content-Length: 100000\r\n\r\n", head));
  CHECK(answer.starts_with("HTTP/1.1 401"));
  CHECK(answer.find("Connection: close") != std::string::npos);
  CHECK(guarded.handled == 0);
  auto const chunked = exchange(guarded.server.port(), fmt::format("{}Transfer-Encoding: chunked\r\n\r\n", head));
  CHECK(chunked.starts_with("HTTP/1.1 401"));
}

TEST_CASE("whoever waits for 100-continue gets the refusal in its place") {
  GuardedServer guarded;
  auto const answer =
      exchange(guarded.server.port(), fmt::format("{}Content-Length: 9000\r\nExpect: 100-continue\r\n\r\n", head));
  CHECK(answer.starts_with("HTTP/1.1 401"));
}

TEST_CASE("whoever is let in sends the body, and is answered by the route") {
  GuardedServer guarded;
  RawPeer peer(guarded.server.port());
  peer.send(fmt::format("{}Authorization: any\r\nContent-Length: 100000\r\n\r\n", head));
  peer.send(std::string(100000, 'x'));
  CHECK(peer.read_all().find("100000 bytes") != std::string::npos);
  CHECK(guarded.asked == 1);
}

TEST_CASE("nobody is asked about a body that came with its head") {
  GuardedServer guarded;
  auto const answer = exchange(guarded.server.port(), fmt::format("{}Content-Length: 3\r\n\r\nabc", head));
  CHECK(answer.find("3 bytes") != std::string::npos);
  CHECK(guarded.asked == 0);
}

TEST_CASE("those who are told that there are too many are few themselves") {
  ServerSettings settings;
  settings.max_connections = 1;
  RunningServer server(Router{}, settings);
  std::vector<std::unique_ptr<RawPeer>> peers;
  for (int i = 0; i < 200; ++i) peers.push_back(std::make_unique<RawPeer>(server.port()));
  CHECK(server.connections() <= 1 + 64);
}

}  // namespace omnibus::http
