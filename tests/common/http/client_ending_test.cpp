// How a request ends: by its deadline, a limit, its reader, or a cancellation.
#include "client_requests.hpp"

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

using Kind = ClientError::Kind;

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
