#include "http/server.hpp"

#include "raw_peer.hpp"

#include <atomic>
#include <cctype>
#include <string>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <doctest/doctest.h>
#include <fmt/format.h>

namespace omnibus::http {
namespace {

Task<Response> echo(Request const& request) {
  auto body = request.method + " " + request.path + " " + request.body;
  co_return text_response(200, std::move(body));
}

Task<Response> show_parameters(Request const& request) {
  std::string body(request.parameter("id"));
  body += "|";
  body += request.query_value("q").value_or("-");
  co_return text_response(200, std::move(body));
}

Task<Response> fail(Request const&) {
  throw std::runtime_error("secret inside");
  co_return Response{};
}

Task<> count_to_three(Request const&, Stream& stream) {
  auto starting = stream.start(200, {{"Content-Type", "text/plain"}});
  co_await std::move(starting);
  for (auto const* piece : {"one ", "two ", "three"}) {
    auto writing = stream.write(piece);
    co_await std::move(writing);
  }
}

Router routes() {
  Router router;
  router.post("/echo", echo);
  router.get("/echo", echo);
  router.get("/things/{id}/parts", show_parameters);
  router.get("/fail", fail);
  router.add_stream("GET", "/count", count_to_three);
  return router;
}

bool has(std::string const& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("requests of one connection are answered one after the other, pipelined or not") {
  RunningServer server(routes());
  RawPeer peer(server.port());
  peer.send(
      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
      "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n"
      "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  auto const answers = peer.read_all();
  auto const first = answers.find("POST /echo abc");
  auto const second = answers.find("GET /echo ");
  CHECK(first != std::string::npos);
  CHECK(second > first);
  CHECK(answers.find("GET /echo ", second + 1) != std::string::npos);
  CHECK(has(answers, "Connection: close"));
}

TEST_CASE("what no route takes is answered by the router's own handler, if it has one") {
  auto router = routes();
  router.otherwise(echo);
  RunningServer server(std::move(router));
  auto const close = std::string(" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK(has(exchange(server.port(), "GET /nothing" + close), "GET /nothing"));
  CHECK(has(exchange(server.port(), "DELETE /echo" + close), "DELETE /echo"));
  CHECK(has(exchange(server.port(), "GET /fail" + close), "HTTP/1.1 500"));
}

TEST_CASE("a chunked body arrives whole") {
  RunningServer server(routes());
  auto const answer =
      exchange(server.port(),
               "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
               "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
  CHECK(has(answer, "POST /echo abcdefg"));
}

TEST_CASE("path parameters and query values are decoded") {
  RunningServer server(routes());
  auto const answer =
      exchange(server.port(), "GET /things/a%2Fb/parts?q=x+y%21 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK(has(answer, "a/b|x y!"));
}

TEST_CASE("HEAD answers with the headers of GET and no body") {
  RunningServer server(routes());
  auto const answer = exchange(server.port(), "HEAD /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK(has(answer, "HTTP/1.1 200 OK"));
  CHECK(has(answer, "Content-Length: 11"));
  CHECK(answer.ends_with("\r\n\r\n"));
}

TEST_CASE("a refusal after a HEAD request has its body") {
  RunningServer server(routes());
  auto const answers = exchange(server.port(), "HEAD /echo HTTP/1.1\r\nHost: x\r\n\r\nnonsense\r\n\r\n");
  CHECK(has(answers, "HTTP/1.1 400"));
  CHECK(answers.ends_with("}"));
}

TEST_CASE("unknown paths, methods and malformed requests are answered with a problem") {
  RunningServer server(routes());
  auto const close = std::string(" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK(has(exchange(server.port(), "GET /nothing" + close), "HTTP/1.1 404 Not Found"));
  auto const wrong_method = exchange(server.port(), "DELETE /echo" + close);
  CHECK(has(wrong_method, "HTTP/1.1 405"));
  CHECK(has(wrong_method, "Allow: GET, HEAD, POST\r\n"));
  CHECK(has(wrong_method, "application/problem+json"));
  CHECK(has(exchange(server.port(), "GET /%zz" + close), "HTTP/1.1 400"));
  CHECK(has(exchange(server.port(), "nonsense\r\n\r\n"), "HTTP/1.1 400"));
  CHECK(has(exchange(server.port(), "GET /echo HTTP/1.1\r\n\r\n"), "the Host header is missing"));
  CHECK(has(exchange(server.port(),
                     "GET /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                     "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            "HTTP/1.1 400"));
  CHECK(
      has(exchange(server.port(), "GET /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n"), "HTTP/1.1 501"));
  CHECK(has(exchange(server.port(), "GET /echo HTTP/1.1\r\nHost: x\r\nExpect: a-miracle\r\n\r\n"), "HTTP/1.1 417"));
}

TEST_CASE("a request that two readers could understand differently is refused, and what follows it is not served") {
  RunningServer server(routes());
  auto const refused = [&](std::string_view head) {
    CAPTURE(head);
    auto const answer = exchange(server.port(), std::string(head) + "0\r\n\r\nGET /count HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(answer.starts_with("HTTP/1.1 400"));
    CHECK_FALSE(has(answer, "one "));
  };
  refused("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n");
  refused("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n");
  refused("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n");
  refused("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\n");
  refused("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\n");
  refused("POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n");
  refused("GET /echo HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n");
}

TEST_CASE("a header that may come only once is refused by its name when it comes twice, even with the same value") {
  RunningServer server(routes());
  auto const fields = {"Authorization: Bearer a", "Content-Type: application/json", "Content-Length: 0",
                       "Idempotency-Key: k",      "Last-Event-ID: 3-1207",          "Host: x"};
  for (std::string const field : fields) {
    CAPTURE(field);
    auto const name = field.substr(0, field.find(':'));
    auto upper = field;
    for (auto& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    for (auto const& other : {field, upper, name + ": another"}) {
      auto const host = name == "Host" ? "" : "Host: x\r\n";
      auto const answer =
          exchange(server.port(), fmt::format("POST /echo HTTP/1.1\r\n{}{}\r\n{}\r\n\r\n", host, field, other));
      CHECK(answer.starts_with("HTTP/1.1 400"));
      if (name != "Content-Length" || other != name + ": another")
        CHECK(has(answer, fmt::format(R"("field":"{}")", name)));
    }
  }
  auto const lists = exchange(server.port(),
                              "GET /echo HTTP/1.1\r\nHost: x\r\nAccept: text/plain\r\nAccept: */*\r\n"
                              "X-Forwarded-For: a\r\nX-Forwarded-For: b\r\nConnection: close\r\n\r\n");
  CHECK(has(lists, "HTTP/1.1 200"));
}

TEST_CASE("a target in the form sent to proxies is served by its path") {
  RunningServer server(routes());
  auto const served = [&](std::string_view target) {
    return exchange(server.port(), "GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  };
  CHECK(has(served("http://x/things/1/parts?q=http://y/"), "1|http://y/"));
  CHECK(has(served("/things/1/parts?q=http://y/echo"), "1|http://y/echo"));
  CHECK(has(served("http://x?q=/echo"), "HTTP/1.1 404"));
  CHECK(has(served("http://x"), "HTTP/1.1 404"));
  CHECK(has(served("x:443"), "HTTP/1.1 400"));
}

TEST_CASE("a handler that throws is a 500 that tells nothing of the inside") {
  RunningServer server(routes());
  auto const answer = exchange(server.port(), "GET /fail HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK(has(answer, "HTTP/1.1 500"));
  CHECK_FALSE(has(answer, "secret"));
}

TEST_CASE("what is too large is refused, and the peer gets to read why") {
  ServerSettings settings;
  settings.max_body_bytes = 1000;
  RunningServer server(routes(), settings);
  auto const head = std::string("POST /echo HTTP/1.1\r\nHost: x\r\n");
  SUBCASE("a body that is announced") {
    auto const body = std::string(10 * 1024 * 1024, 'x');
    auto const answer =
        exchange(server.port(), head + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    CHECK(has(answer, "HTTP/1.1 413"));
  }
  SUBCASE("a chunked body") {
    auto const answer = exchange(
        server.port(), head + "Transfer-Encoding: chunked\r\n\r\n7d0\r\n" + std::string(2000, 'x') + "\r\n0\r\n\r\n");
    CHECK(has(answer, "HTTP/1.1 413"));
  }
  SUBCASE("headers") {
    auto const answer = exchange(server.port(), head + "X-Long: " + std::string(20000, 'x') + "\r\n\r\n");
    CHECK(has(answer, "HTTP/1.1 431"));
  }
  SUBCASE("headers that come one by one") {
    RawPeer peer(server.port());
    peer.send(head);
    for (int i = 0; i < 100; ++i) peer.send("X-Long: " + std::string(500, 'x') + "\r\n");
    peer.send("\r\n");
    CHECK(has(peer.read_all(), "HTTP/1.1 431"));
  }
  SUBCASE("a head of exactly the limit is fine, one byte more is not") {
    auto const answered = [&](std::size_t size) {
      auto text = head + "Connection: close\r\nX-Long: \r\n\r\n";
      text.insert(text.size() - 4, std::string(size - text.size(), 'x'));
      return exchange(server.port(), text);
    };
    CHECK(has(answered(settings.max_header_bytes), "HTTP/1.1 200"));
    CHECK(has(answered(settings.max_header_bytes + 1), "HTTP/1.1 431"));
  }
  SUBCASE("a body of exactly the limit is fine") {
    auto const answer =
        exchange(server.port(), head + "Connection: close\r\nContent-Length: 1000\r\n\r\n" + std::string(1000, 'x'));
    CHECK(has(answer, "HTTP/1.1 200"));
  }
}

TEST_CASE("a client that expects 100-continue is told to go on") {
  RunningServer server(routes());
  RawPeer peer(server.port());
  peer.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n");
  CHECK(peer.read_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  peer.send("ok");
  CHECK(has(peer.read_all(), "POST /echo ok"));
}

TEST_CASE("a slow peer is answered with 408, an idle one is closed") {
  ServerSettings settings;
  settings.header_timeout = std::chrono::milliseconds(250);
  settings.body_timeout = std::chrono::milliseconds(250);
  settings.keep_alive_timeout = std::chrono::milliseconds(250);
  RunningServer server(routes(), settings);
  CHECK(has(exchange(server.port(), "GET /echo HTTP/1.1\r\nHos"), "HTTP/1.1 408"));
  CHECK(has(exchange(server.port(), "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab"), "HTTP/1.1 408"));
  CHECK(exchange(server.port(), "").empty());
  auto const answer = exchange(server.port(), "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(has(answer, "HTTP/1.1 200"));
  CHECK_FALSE(has(answer, "408"));
}

TEST_CASE("a connection above the limit is refused with 503") {
  ServerSettings settings;
  settings.max_connections = 1;
  RunningServer server(routes(), settings);
  RawPeer first(server.port());
  first.send("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(has(first.read_until("GET /echo "), "200"));
  CHECK(has(exchange(server.port(), "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 503"));
  first.send("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(has(first.read_until("GET /echo "), "200"));
}

TEST_CASE("a stream arrives in chunks and the connection serves on") {
  RunningServer server(routes());
  RawPeer peer(server.port());
  peer.send("GET /count HTTP/1.1\r\nHost: x\r\n\r\n");
  auto const answer = peer.read_until("0\r\n\r\n");
  CHECK(has(answer, "Transfer-Encoding: chunked"));
  CHECK(has(answer, "4\r\none \r\n4\r\ntwo \r\n5\r\nthree\r\n"));
  peer.send("GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK(has(peer.read_all(), "GET /echo "));
  auto const old = exchange(server.port(), "GET /count HTTP/1.0\r\n\r\n");
  CHECK(has(old, "\r\n\r\none two three"));
}

TEST_CASE("a stream is told when its peer closes, and when the server stops") {
  std::promise<void> told;
  std::atomic<int> started = 0;
  Router router;
  router.add_stream("GET", "/wait", [&](Request const&, Stream& stream) -> Task<> {
    auto starting = stream.start(200, {});
    co_await std::move(starting);
    ++started;
    auto writing = stream.write("hello");
    co_await std::move(writing);
    stream.on_close([&] { told.set_value(); });
    while (!stream.closed()) {
      auto waiting = stream.wait(std::chrono::hours(1));
      co_await std::move(waiting);
    }
  });
  RunningServer server(std::move(router));
  RawPeer peer(server.port());
  peer.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
  peer.read_until("hello");
  SUBCASE("peer") {
    peer.close();
    CHECK(told.get_future().wait_for(std::chrono::seconds(5)) == std::future_status::ready);
  }
  SUBCASE("stop") {
    server.stop(std::chrono::seconds(5));
    CHECK(told.get_future().wait_for(std::chrono::seconds(5)) == std::future_status::ready);
    CHECK(has(peer.read_all(), "0\r\n\r\n"));
  }
}

TEST_CASE("stopping lets a running request finish and takes no new one") {
  std::promise<void> entered;
  Router router;
  router.get("/slow", [&](Request const&) -> Task<Response> {
    entered.set_value();
    auto const executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor, std::chrono::milliseconds(100));
    auto waiting = timer.async_wait(asio::use_awaitable);
    co_await std::move(waiting);
    co_return text_response(200, "done");
  });
  RunningServer server(std::move(router));
  RawPeer idle(server.port());
  RawPeer peer(server.port());
  peer.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  entered.get_future().wait();
  auto answer = std::async([&] { return peer.read_all(); });
  server.stop(std::chrono::seconds(5));
  CHECK(server.connections() == 0);
  auto const text = answer.get();
  CHECK(has(text, "done"));
  CHECK(has(text, "Connection: close"));
  CHECK(idle.read_all().empty());
  CHECK_THROWS(RawPeer(server.port()));
}

TEST_CASE("a request that outlives the stop's deadline is cut off") {
  std::promise<void> entered;
  Router router;
  router.get("/slow", [&](Request const&) -> Task<Response> {
    entered.set_value();
    auto const executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor, std::chrono::hours(1));
    auto waiting = timer.async_wait(asio::use_awaitable);
    co_await std::move(waiting);
    co_return text_response(200, "done");
  });
  RunningServer server(std::move(router));
  RawPeer peer(server.port());
  peer.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  entered.get_future().wait();
  server.stop(std::chrono::milliseconds(20));
  CHECK(peer.read_all().empty());
}

TEST_CASE("a line break in a header does not become a second response") {
  Router router;
  router.get("/split", [](Request const&) -> Task<Response> {
    auto response = text_response(200, "x");
    response.headers.add("X-Evil", "a\r\nSet-Cookie: b");
    co_return response;
  });
  RunningServer server(std::move(router));
  auto const answer = exchange(server.port(), "GET /split HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK(has(answer, "HTTP/1.1 500"));
  CHECK_FALSE(has(answer, "Set-Cookie"));
}

TEST_CASE("the observer learns the route's pattern and the status") {
  std::promise<std::string> seen;
  RunningServer server(routes(), {}, [&](Request const&, std::string_view pattern, int status, auto) {
    seen.set_value(std::string(pattern) + " " + std::to_string(status));
  });
  exchange(server.port(), "GET /things/1/parts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK(seen.get_future().get() == "/things/{id}/parts 200");
}

TEST_CASE("a problem names its field and escapes its text") {
  auto const response = problem(422, "", "a \"quoted\"\nline", "text");
  CHECK(
      response.body ==
      R"({"type":"about:blank","title":"Unprocessable Content","status":422,"detail":"a \"quoted\"\nline","field":"text"})");
}

}  // namespace omnibus::http
