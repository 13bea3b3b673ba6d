// Connections: kept, shared, replaced.
#include "client_requests.hpp"
#include "concurrency/outgoing.hpp"

#include <atomic>
#include <optional>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <doctest/doctest.h>

namespace omnibus::http {

TEST_CASE("requests to one host go over one kept connection") {
  RunningServer server(echoing());
  Requests requests;
  auto request = request_to(local(server, "/echo?a=b"), "hello");
  for (auto i = 0; i < 3; ++i) {
    auto const response = requests.fetch(request);
    CHECK(response.status == 200);
    CHECK(response.body == "/echo?a=b hello");
    CHECK(response.headers.find("content-type") == "text/plain; charset=utf-8");
  }
  CHECK(requests.client.counts().opened == 1);
  request = request_to(local(server, "/echo"));
  request.method = "HEAD";
  CHECK(requests.fetch(request).body.empty());
  CHECK(requests.fetch(request_to(local(server, "/echo"))).body == "/echo ");
  CHECK(requests.client.counts().opened == 1);
}

TEST_CASE("while nothing may leave the process a request is refused, and the server sees none of it") {
  std::atomic<int> seen = 0;
  Router router;
  router.get("/", [&](Request const&) -> Task<Response> {
    ++seen;
    co_return text_response(200, "");
  });
  RunningServer server(std::move(router));
  Requests requests;
  {
    OutgoingBan const ban;
    CHECK_THROWS_AS(requests.fetch(request_to(local(server, "/"))), OutgoingRefused);
    PostHead const head(requests.client, parse_url(local(server, "/")).value(), {});
    struct Ignoring : ResponseReader {
      void head(ResponseHead const&) override {}
      bool body(std::string_view) override { return true; }
    } reader;
    CHECK_THROWS_AS(static_cast<void>(requests.client.send(PostRequest(head), std::chrono::seconds(1), 1000, reader)),
                    OutgoingRefused);
  }
  CHECK(seen == 0);
  CHECK(requests.client.counts().opened == 0);
  CHECK(requests.fetch(request_to(local(server, "/"))).status == 200);
}

TEST_CASE("requests beyond the connections of a host wait in order, and share them") {
  RunningServer server(echoing());
  HttpClientSettings settings;
  settings.max_connections_per_host = 3;
  Requests requests(settings);
  std::vector<std::future<Response>> answers;
  answers.reserve(200);
  for (auto i = 0; i < 200; ++i) {
    answers.push_back(asio::co_spawn(requests.context,
                                     requests.client.fetch(request_to(local(server, "/echo"), std::to_string(i))),
                                     asio::use_future));
  }
  for (auto i = 0; i < 200; ++i) {
    requests.await(answers[static_cast<std::size_t>(i)]);
    CHECK(answers[static_cast<std::size_t>(i)].get().body == "/echo " + std::to_string(i));
  }
  CHECK(requests.client.counts().opened == 3);
}

TEST_CASE("a large body goes out and a large response comes in") {
  RunningServer server(echoing());
  Requests requests;
  auto const body = std::string(1000 * 1000, 'x');
  CHECK(requests.fetch(request_to(local(server, "/echo"), body)).body.size() == body.size() + 6);
}

TEST_CASE("responses are understood however they are framed and cut") {
  ScriptedPeer peer([](ScriptedConnection& connection, int) {
    connection.read_request();
    for (auto const c :
         std::string_view("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n")) {
      connection.send(std::string_view(&c, 1));
    }
    connection.read_request();
    connection.send("HTTP/1.0 404 Not Found\r\n\r\nuntil the end");
  });
  Requests requests;
  CHECK(requests.fetch(request_to(peer.url())).body == "abc0123456789");
  auto const second = requests.fetch(request_to(peer.url()));
  CHECK(second.status == 404);
  CHECK(second.body == "until the end");
  CHECK(requests.client.counts().open == 0);
}

TEST_CASE("a kept connection that the server has closed is replaced") {
  ScriptedPeer peer([](ScriptedConnection& connection, int) {
    connection.read_request();
    connection.send(ok);
  });
  Requests requests;
  for (auto i = 0; i < 3; ++i) CHECK(requests.fetch(request_to(peer.url(), "x")).body == "ok");
  CHECK(requests.client.counts().opened == 3);
}

TEST_CASE("a connection that served several requests is replaced once the server has closed it") {
  ScriptedPeer peer([](ScriptedConnection& connection, int) {
    for (auto i = 0; i < 3; ++i) {
      connection.read_request();
      connection.send(ok);
    }
  });
  Requests requests;
  for (auto i = 0; i < 6; ++i) {
    CHECK(requests.fetch(request_to(peer.url(), "x")).body == "ok");
    if (i % 3 != 2) continue;
    requests.context.restart();
    auto const until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (requests.client.counts().open > 0 && std::chrono::steady_clock::now() < until)
      requests.context.run_one_for(std::chrono::milliseconds(10));
    CHECK(requests.client.counts().open == 0);
  }
  CHECK(requests.client.counts().opened == 2);
}

TEST_CASE("a completion that throws holds up no other request") {
  Requests requests;
  auto completed = 0;
  for (auto i = 0; i < 4; ++i) {
    asio::co_spawn(requests.context, requests.client.fetch(request_to("http://nowhere.invalid/")),
                   [&](std::exception_ptr const& error, Response const&) {
                     CHECK(error);
                     if (++completed % 2 == 1) throw std::runtime_error("a completion's");
                   });
  }
  auto thrown = 0;
  while (completed < 4) {
    try {
      if (requests.context.run_one() == 0) break;
    } catch (std::exception const&) {  // Asio joins those of one handler
      ++thrown;
    }
  }
  CHECK(completed == 4);
  CHECK(thrown > 0);
}

/// How many requests wait when the second of two answers is read, if the first one made another request begin. Both
/// answers are there when the loop next looks, the first one's before the second one's.
std::size_t waiting_between_two_answers() {
  std::atomic<int> received = 0;
  std::atomic<int> answers = -1;  // none before both requests are there
  auto const await_answers = [&](int count) {
    for (auto seen = answers.load(); seen < count; seen = answers.load()) answers.wait(seen);
  };
  auto const answer_after = [&](int earlier) {
    return [&, earlier](ScriptedConnection& connection, int) {
      while (!connection.read_request().empty()) {
        ++received;
        await_answers(earlier);
        connection.send(ok);
        ++answers;
        answers.notify_all();
      }
    };
  };
  ScriptedPeer first(answer_after(0));
  ScriptedPeer second(answer_after(1));
  Requests requests;
  auto const twice = [&]() -> Task<Response> {
    auto const url = first.url();
    auto const once = co_await requests.client.fetch(request_to(url, "x"));
    CHECK(once.status == 200);
    co_return co_await requests.client.fetch(request_to(url, "y"));
  };
  std::size_t waiting = 0;
  auto const look = [&]() -> Task<Response> {
    auto response = co_await requests.client.fetch(request_to(second.url(), "x"));
    waiting = requests.client.counts().waiting;
    co_return response;
  };
  auto again = asio::co_spawn(requests.context, twice(), asio::use_future);
  auto looked = asio::co_spawn(requests.context, look(), asio::use_future);
  auto const until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (received < 2 && std::chrono::steady_clock::now() < until) requests.context.poll_one();
  CHECK(received == 2);
  answers = 0;
  answers.notify_all();
  if (received == 2) await_answers(2);
  requests.await(looked);
  requests.await(again);
  CHECK(again.get().body == "ok");
  return waiting;
}

TEST_CASE("requests that begin while sockets are served are sent after the last of them") {
  std::size_t waiting = 0;
  // On a busy machine the kernel may tell of the two answers one after the other.
  for (auto attempts = 0; waiting == 0 && attempts < 20; ++attempts) waiting = waiting_between_two_answers();
  CHECK(waiting == 1);
}

TEST_CASE("a request that was sent is not sent again") {
  std::atomic<int> seen = 0;
  ScriptedPeer peer([&](ScriptedConnection& connection, int) {
    while (!connection.read_request().empty()) {
      if (++seen == 1) {
        connection.send(ok);
      } else {
        connection.reset();
        return;
      }
    }
  });
  Requests requests;
  CHECK(requests.fetch(request_to(peer.url(), "x")).body == "ok");
  auto const error = requests.failure(request_to(peer.url(), "x"));
  REQUIRE(error);
  CHECK(error->kind() == ClientError::Kind::closed);
  CHECK(error->sent());
  CHECK(seen == 2);
}

}  // namespace omnibus::http
