#include "hand_written.hpp"

#include <array>
#include <chrono>
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

std::uint64_t run_hand_written(std::string const& address, std::uint16_t port, std::string const& request,
                               int in_flight, double warm_up, double seconds) {
  using Clock = std::chrono::steady_clock;
  constexpr std::string_view end = "data: [DONE]\n\n";
  auto const poll = epoll_create1(0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  inet_pton(AF_INET, address.c_str(), &to.sin_addr);
  std::vector<int> sockets;
  auto const ask = [&](int socket) {
    if (::send(socket, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) {
      throw std::runtime_error("a request did not go out whole");
    }
  };
  for (auto i = 0; i < in_flight; ++i) {
    auto const socket = ::socket(AF_INET, SOCK_STREAM, 0);
    if (connect(socket, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) throw std::runtime_error("no connection");
    auto const on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_event event{EPOLLIN, {.fd = socket}};
    epoll_ctl(poll, EPOLL_CTL_ADD, socket, &event);
    sockets.push_back(socket);
    ask(socket);
  }
  std::uint64_t answered = 0;
  std::vector<char> buffer(64 * 1024);
  std::array<epoll_event, 256> events{};
  auto const begin = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(warm_up));
  auto const stop = begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  for (auto now = Clock::now(); now < stop; now = Clock::now()) {
    auto const ready = epoll_wait(poll, events.data(), static_cast<int>(events.size()), 100);
    for (auto i = 0; i < ready; ++i) {
      auto const socket = events[static_cast<std::size_t>(i)].data.fd;
      auto const got = ::recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got <= 0) throw std::runtime_error("a connection broke");
      if (!std::string_view(buffer.data(), static_cast<std::size_t>(got)).ends_with(end)) continue;
      if (now >= begin) ++answered;
      ask(socket);
    }
  }
  for (auto const socket : sockets) close(socket);
  close(poll);
  return answered;
}

}  // namespace omnibus::bench
