#include "bare_sockets.hpp"

#include "bench_request.hpp"
#include "http/url.hpp"
#include "llm/openai_wire.hpp"

#include <array>
#include <stdexcept>
#include <string_view>
#include <vector>

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace omnibus::bench {
namespace {

std::string encode(http::Url const& url) {
  auto const body = llm::encode_request(bench_request(), "max_completion_tokens");
  return fmt::format(
      "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\n"
      "Content-Length: {}\r\n\r\n{}",
      url.target, url.authority(), body.size(), body);
}

}  // namespace

Span call_model_by_sockets(std::string const& llm_url, std::size_t in_flight, std::uint64_t records) {
  constexpr std::string_view end = "data: [DONE]\n\n";
  auto const url = http::parse_url(llm_url + "/chat/completions").value();
  auto const request = encode(url);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(url.port);
  if (inet_pton(AF_INET, url.host.c_str(), &to.sin_addr) != 1)
    throw std::runtime_error("the model's host is no address");
  auto const poll = epoll_create1(0);
  Span span{records};
  auto left = records;
  auto const ask = [&](int socket) {
    if (left == 0) return;
    --left;
    if (::send(socket, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
      throw std::runtime_error("a request did not go out whole");
  };
  std::vector<int> sockets;
  span.begin();
  while (sockets.size() < in_flight && left > 0) {
    auto const socket = ::socket(AF_INET, SOCK_STREAM, 0);
    if (connect(socket, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) throw std::runtime_error("no connection");
    auto const on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_event event{EPOLLIN, {.fd = socket}};
    epoll_ctl(poll, EPOLL_CTL_ADD, socket, &event);
    sockets.push_back(socket);
    ask(socket);
  }
  std::vector<char> buffer(64 * 1024);
  std::array<epoll_event, 256> events{};
  while (!span.done()) {
    auto const ready = epoll_wait(poll, events.data(), static_cast<int>(events.size()), 100);
    for (auto i = 0; i < ready; ++i) {
      auto const socket = events[static_cast<std::size_t>(i)].data.fd;
      auto const got = ::recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got <= 0) throw std::runtime_error("a connection broke");
      if (!std::string_view(buffer.data(), static_cast<std::size_t>(got)).ends_with(end)) continue;
      span.count();
      ask(socket);
    }
  }
  for (auto const socket : sockets) close(socket);
  close(poll);
  return span;
}

}  // namespace omnibus::bench
