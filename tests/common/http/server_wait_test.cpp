#include "http/server.hpp"
#include "raw_peer.hpp"

#include <chrono>
#include <future>
#include <string>

#include <doctest/doctest.h>

namespace omnibus::http {

TEST_CASE("a handler that waits before it answers is told when its peer closes, and when the server stops") {
  std::promise<void> entered;
  std::promise<bool> ended;
  Router router;
  router.get("/next", [](Request const&) -> Task<Response> { co_return text_response(200, "served on"); });
  router.add_stream("POST", "/wait", [&](Request const& request, Stream& stream) -> Task<> {
    entered.set_value();
    auto waiting =
        stream.wait(request.body == "long" ? std::chrono::milliseconds(3'600'000) : std::chrono::milliseconds(1));
    co_await std::move(waiting);
    ended.set_value(stream.closed());
    auto responding = stream.respond(text_response(202, "later"));
    co_await std::move(responding);
  });
  RunningServer server(std::move(router));
  RawPeer peer(server.port());
  auto const post = [&](std::string const& body) {
    peer.send("POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    entered.get_future().wait();
  };
  auto const result = ended.get_future();
  SUBCASE("peer") {
    post("long");
    peer.close();
    CHECK(result.wait_for(std::chrono::seconds(5)) == std::future_status::ready);
  }
  SUBCASE("stop") {
    post("long");
    server.stop(std::chrono::seconds(5));
    CHECK(result.wait_for(std::chrono::seconds(5)) == std::future_status::ready);
    CHECK(peer.read_all().ends_with("later"));
  }
  SUBCASE("neither: the connection serves on") {
    post("short");
    CHECK(peer.read_until("later").starts_with("HTTP/1.1 202"));
    peer.send("GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    CHECK(peer.read_all().ends_with("served on"));
  }
}

}  // namespace omnibus::http
