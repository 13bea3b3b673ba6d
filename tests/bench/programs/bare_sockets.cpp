#include "bare_sockets.hpp"

#include <array>
#include <charconv>
#include <stdexcept>
#include <string_view>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace omnibus::bench {
namespace {

constexpr std::size_t connects_together = 64;  // after so many the answers that are there are read

struct Target {
  sockaddr_in address{};
  std::string authority;
  std::string path;
};

Target read_url(std::string_view url) {
  constexpr std::string_view scheme = "http://";
  if (!url.starts_with(scheme)) throw std::runtime_error("the model's URL does not begin with http://");
  url.remove_prefix(scheme.size());
  Target target;
  target.authority = url.substr(0, url.find('/'));
  target.path = url.substr(target.authority.size());
  auto const colon = target.authority.find(':');
  std::uint16_t port = 80;
  if (colon != std::string::npos)
    std::from_chars(target.authority.data() + colon + 1, target.authority.data() + target.authority.size(), port);
  target.address.sin_family = AF_INET;
  target.address.sin_port = htons(port);
  if (inet_pton(AF_INET, target.authority.substr(0, colon).c_str(), &target.address.sin_addr) != 1)
    throw std::runtime_error("the model's host is no address");
  return target;
}

}  // namespace

std::string bare_request_body() {
  return R"({"model":"omnibus-small","messages":[{"role":"system","content":")" + std::string(400, 'i') +
         R"("},{"role":"user","content":"When will the card that I ordered last week arrive?"}],"stream":true,)"
         R"("stream_options":{"include_usage":true}})";
}

Span call_model_by_sockets(std::string const& llm_url, std::size_t in_flight, std::uint64_t records) {
  constexpr std::string_view end = "data: [DONE]\n\n";
  auto const target = read_url(llm_url + "/chat/completions");
  auto const body = bare_request_body();
  auto const request = "POST " + target.path + " HTTP/1.1\r\nHost: " + target.authority +
                       "\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\nContent-Length: " +
                       std::to_string(body.size()) + "\r\n\r\n" + body;
  auto const poll = epoll_create1(0);
  Span span{records};
  auto left = records;
  auto const ask = [&](int socket) {
    if (left == 0) return;
    --left;
    if (::send(socket, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
      throw std::runtime_error("a request did not go out whole");
  };
  std::vector<char> buffer(64 * 1024);
  std::array<epoll_event, 256> events{};
  auto const serve = [&](int wait_ms) {
    auto const ready = epoll_wait(poll, events.data(), static_cast<int>(events.size()), wait_ms);
    for (auto i = 0; i < ready; ++i) {
      auto const socket = events[static_cast<std::size_t>(i)].data.fd;
      auto const got = ::recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got <= 0) throw std::runtime_error("a connection broke");
      if (!std::string_view(buffer.data(), static_cast<std::size_t>(got)).ends_with(end)) continue;
      span.count();
      ask(socket);
    }
  };
  std::vector<int> sockets;
  span.begin();
  while (sockets.size() < in_flight && left > 0) {
    auto const socket = ::socket(AF_INET, SOCK_STREAM, 0);
    if (connect(socket, reinterpret_cast<sockaddr const*>(&target.address), sizeof target.address) != 0)
      throw std::runtime_error("no connection");
    auto const on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_event event{EPOLLIN, {.fd = socket}};
    epoll_ctl(poll, EPOLL_CTL_ADD, socket, &event);
    sockets.push_back(socket);
    ask(socket);
    // Thousands of connections take longer than the first answers, which would else lie unread.
    if (sockets.size() % connects_together == 0) serve(0);
  }
  while (!span.done()) serve(100);
  for (auto const socket : sockets) close(socket);
  close(poll);
  return span;
}

}  // namespace omnibus::bench
