#include "http/client.hpp"

#include "raw_peer.hpp"
#include "scripted_peer.hpp"

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
namespace {

using Kind = ClientError::Kind;

ClientRequest request_to(std::string const& url, std::string body = {}) {
  ClientRequest request;
  request.url = parse_url(url).value();
  request.method = body.empty() ? "GET" : "POST";
  request.body = std::move(body);
  request.deadline = std::chrono::seconds(5);
  return request;
}

/// Runs requests on a client of its own until they have ended.
struct Requests {
  explicit Requests(HttpClientSettings settings = {}) : client(context, std::move(settings)) {}

  Response fetch(ClientRequest const& request) {
    auto result = asio::co_spawn(context, client.fetch(request), asio::use_future);
    await(result);
    return result.get();
  }
  std::optional<ClientError> failure(ClientRequest const& request) {
    try {
      fetch(request);
      return std::nullopt;
    } catch (ClientError const& error) {
      return error;
    }
  }
  template <class T>
  void await(std::future<T> const& result) {
    context.restart();
    while (result.wait_for(std::chrono::seconds(0)) != std::future_status::ready && context.run_one() != 0) {
    }
  }

  asio::io_context context;
  Client client;
};

Task<Response> echo(Request const& request) {
  co_return text_response(200, request.target + " " + request.body);
}

Router echoing() {
  Router router;
  router.post("/echo", echo);
  router.get("/echo", echo);
  return router;
}

std::string local(RunningServer const& server, std::string const& path) {
  return "http://127.0.0.1:" + std::to_string(server.port()) + path;
}

constexpr auto ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

}  // namespace

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
  CHECK(error->kind() == Kind::closed);
  CHECK(error->sent());
  CHECK(seen == 2);
}

TEST_CASE("the deadline holds in every stage") {
  auto const impatient = [](std::string const& url) {
    auto request = request_to(url, "x");
    request.deadline = std::chrono::milliseconds(60);
    return request;
  };
  Requests requests;
  SUBCASE("before the response") {
    ScriptedPeer peer([](ScriptedConnection& connection, int) { connection.await_close(); });
    auto const error = requests.failure(impatient(peer.url()));
    CHECK(error->kind() == Kind::timeout);
    CHECK(error->sent());
  }
  SUBCASE("within a slow drip") {
    ScriptedPeer peer([](ScriptedConnection& connection, int) {
      connection.send("HTTP/1.1 200 OK\r\n\r\n");
      for (auto i = 0; i < 100; ++i) {
        connection.send(".");
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    });
    CHECK(requests.failure(impatient(peer.url()))->kind() == Kind::timeout);
  }
  SUBCASE("while waiting for a connection") {
    HttpClientSettings settings;
    settings.max_connections_per_host = 1;
    ScriptedPeer peer([](ScriptedConnection& connection, int) { connection.await_close(); });
    Requests few(settings);
    auto first = asio::co_spawn(few.context, few.client.fetch(request_to(peer.url())), asio::use_future);
    auto const error = few.failure(impatient(peer.url()));
    CHECK(error->kind() == Kind::timeout);
    CHECK_FALSE(error->sent());
  }
}

TEST_CASE("a response beyond its limit, or one that is not HTTP, ends the request") {
  Requests requests;
  SUBCASE("endless body") {
    ScriptedPeer peer([](ScriptedConnection& connection, int) {
      connection.read_request();
      connection.send("HTTP/1.1 200 OK\r\n\r\n" + std::string(100 * 1024, 'x'));
      connection.await_close();
    });
    auto request = request_to(peer.url());
    request.max_response_bytes = 64 * 1024;
    CHECK(requests.failure(request)->kind() == Kind::too_large);
  }
  SUBCASE("endless head") {
    ScriptedPeer peer([](ScriptedConnection& connection, int) {
      connection.read_request();
      connection.send("HTTP/1.1 200 OK\r\nX: " + std::string(100 * 1024, 'x'));
      connection.await_close();
    });
    CHECK(requests.failure(request_to(peer.url()))->kind() == Kind::protocol);
  }
  SUBCASE("something else") {
    ScriptedPeer peer([](ScriptedConnection& connection, int) {
      connection.read_request();
      connection.send("SSH-2.0-OpenSSH_9.2\r\n\r\n");
      connection.await_close();
    });
    CHECK(requests.failure(request_to(peer.url()))->kind() == Kind::protocol);
  }
  SUBCASE("broken in the middle") {
    ScriptedPeer peer([](ScriptedConnection& connection, int) {
      connection.read_request();
      connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    });
    CHECK(requests.failure(request_to(peer.url()))->kind() == Kind::closed);
  }
  CHECK(requests.client.counts().open == 0);
}

TEST_CASE("a host that refuses or has no name fails its requests, each of them") {
  std::uint16_t unused = 0;
  {
    RunningServer server(echoing());
    unused = server.port();
  }
  Requests requests;
  std::vector<std::future<Response>> answers;
  auto const request = request_to("http://127.0.0.1:" + std::to_string(unused));
  answers.reserve(300);
  for (auto i = 0; i < 300; ++i) {
    answers.push_back(asio::co_spawn(requests.context, requests.client.fetch(request), asio::use_future));
  }
  for (auto& answer : answers) {
    requests.await(answer);
    CHECK_THROWS_AS(answer.get(), ClientError);
  }
  auto const unknown = requests.failure(request_to("http://nowhere.invalid/"));
  CHECK(unknown->kind() == Kind::connect);
  CHECK_FALSE(unknown->sent());
}

TEST_CASE("a reader that has seen enough ends the request well; one that throws reaches its caller") {
  struct Impatient : ResponseReader {
    void head(ResponseHead const& head) override { status = head.status(); }
    bool body(std::string_view piece) override {
      if (piece.find('!') != std::string_view::npos) throw std::runtime_error("enough is enough");
      seen += piece;
      return seen.find('.') == std::string::npos;
    }
    int status = 0;
    std::string seen;
  };
  ScriptedPeer peer([](ScriptedConnection& connection, int number) {
    connection.read_request();
    connection.send(number == 0 ? "HTTP/1.1 200 OK\r\n\r\nfirst." : "HTTP/1.1 200 OK\r\n\r\nsecond!");
    connection.await_close();
  });
  Requests requests;
  Impatient reader;
  auto first = asio::co_spawn(requests.context, requests.client.send(request_to(peer.url()), reader), asio::use_future);
  requests.await(first);
  CHECK_NOTHROW(first.get());
  CHECK(reader.seen == "first.");
  auto second =
      asio::co_spawn(requests.context, requests.client.send(request_to(peer.url()), reader), asio::use_future);
  requests.await(second);
  CHECK_THROWS_WITH(second.get(), "enough is enough");
}

TEST_CASE("a reader that has enough by a time ends the request well, and does not lengthen its deadline") {
  struct Patient final : ResponseReader {
    void head(ResponseHead const&) override {}
    bool body(std::string_view piece) override {
      seen += piece;
      return true;
    }
    std::optional<std::chrono::steady_clock::time_point> enough_at() const override {
      if (seen.empty()) return std::nullopt;
      return std::chrono::steady_clock::now() + patience;
    }
    std::chrono::milliseconds patience{30};
    std::string seen;
  };
  ScriptedPeer peer([](ScriptedConnection& connection, int) {
    connection.read_request();
    connection.send("HTTP/1.1 200 OK\r\n\r\nall");
    connection.await_close();
  });
  Requests requests;
  auto request = request_to(peer.url());
  for (auto const patience : {std::chrono::milliseconds(30), std::chrono::milliseconds(60'000)}) {
    Patient reader;
    reader.patience = patience;
    request.deadline = patience < std::chrono::seconds(1) ? std::chrono::seconds(60) : std::chrono::milliseconds(60);
    auto sending = asio::co_spawn(requests.context, requests.client.send(request, reader), asio::use_future);
    requests.await(sending);
    CHECK_NOTHROW(sending.get());
    CHECK(reader.seen == "all");
    CHECK(requests.client.counts().open == 0);
  }
}

TEST_CASE("a cancelled coroutine's request ends at once and leaves its connection") {
  ScriptedPeer peer([](ScriptedConnection& connection, int) { connection.await_close(); });
  Requests requests;
  asio::cancellation_signal signal;
  std::exception_ptr failure;
  auto ended = false;
  asio::co_spawn(requests.context, requests.client.fetch(request_to(peer.url())),
                 asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr error, Response const&) {
                   failure = error;
                   ended = true;
                 }));
  while (requests.client.counts().idle + requests.client.counts().waiting == 0) requests.context.run_one();
  while (requests.client.counts().waiting != 0) requests.context.run_one();
  signal.emit(asio::cancellation_type::terminal);
  while (!ended) requests.context.run_one();
  CHECK(failure);
  CHECK(requests.client.counts().open == 0);
}

TEST_CASE("a client that is destroyed abandons its requests, and fails those that begin later") {
  ScriptedPeer peer([](ScriptedConnection& connection, int) { connection.await_close(); });
  asio::io_context context;
  std::optional<Client> client(std::in_place, context);
  auto ended = 0;
  auto const count = [&](std::exception_ptr, Response const&) { ++ended; };
  for (auto i = 0; i < 5; ++i) asio::co_spawn(context, client->fetch(request_to(peer.url())), count);
  while (client->counts().open < 5) context.run_one();
  asio::co_spawn(context, client->fetch(request_to(peer.url())), count);
  client.reset();
  context.run();
  CHECK(ended == 1);
}

TEST_CASE("a line break cannot be smuggled into a request") {
  Requests requests;
  auto request = request_to("http://127.0.0.1:1/");
  request.headers.add("X", "a\r\nY: b");
  CHECK_THROWS_AS(requests.fetch(request), std::invalid_argument);
}

}  // namespace omnibus::http
