/// Requests of the HTTP client to servers of the test.
#pragma once

#include "http/client.hpp"
#include "raw_peer.hpp"
#include "scripted_peer.hpp"

#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <utility>

namespace omnibus::http {

inline ClientRequest request_to(std::string const& url, std::string body = {}) {
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

inline Task<Response> echo(Request const& request) {
  co_return text_response(200, request.target + " " + request.body);
}

inline Router echoing() {
  Router router;
  router.post("/echo", echo);
  router.get("/echo", echo);
  return router;
}

inline std::string local(RunningServer const& server, std::string const& path) {
  return "http://127.0.0.1:" + std::to_string(server.port()) + path;
}

inline constexpr auto ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

}  // namespace omnibus::http
