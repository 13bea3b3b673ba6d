/// tests/bench/responder: see --help. Plain C++ on sockets and epoll, without any of Omnibus' code: what a client is
/// measured against must not be what is measured, nor what bounds it.
#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view id_mark = "0000000000000000";  // replaced by a number of each answer

/// A streamed answer of the size and form that `omnibus simulate` gives: eleven events, one write.
std::string make_turn() {
  auto const chunk = [](std::string const& choices, std::string const& usage) {
    return "data: {\"id\":\"chatcmpl-" + std::string(id_mark) +
           "00000001\",\"object\":\"chat.completion.chunk\",\"created\":1795974792,\"model\":\"omnibus-small\","
           "\"choices\":[" +
           choices + "],\"usage\":" + usage + "}\n\n";
  };
  auto const delta = [&](std::string const& members) {
    return chunk("{\"index\":0,\"delta\":{" + members + "},\"finish_reason\":null}", "null");
  };
  auto body = delta("\"role\":\"assistant\",\"content\":\"\"");
  for (std::string const words :
       {"Happy to help with \\\"card", " ordered last\\\". You can freeze", " the card in the app at once",
        " and unfreeze it when you", " need it. Just write back", " here if that does not solve", " it."})
    body += delta("\"content\":\"" + words + "\"");
  body += chunk("{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}", "null");
  body +=
      chunk("",
            "{\"prompt_tokens\":121,\"completion_tokens\":41,\"total_tokens\":162,"
            "\"prompt_tokens_details\":{\"cached_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0}}");
  body += "data: [DONE]\n\n";
  return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
         "Content-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string json_answer(std::string const& body) {
  return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

/// What MTN answers to a message that it takes, and to who asks for a token.
std::string make_receipt() {
  return json_answer(R"({"statusCode":"0000","statusMessage":"Message sent successfully","transactionId":")" +
                     std::string(id_mark) + R"(","data":{"status":"PENDING"}})");
}
std::string make_token() {
  return json_answer(R"({"access_token":"any","token_type":"BearerToken","expires_in":"3599"})");
}

/// An answer, and where the number of each stands in it.
class Answer {
 public:
  explicit Answer(std::string text) : text_{std::move(text)} {
    for (auto at = text_.find(id_mark); at != std::string::npos; at = text_.find(id_mark, at + id_mark.size()))
      ids_.push_back(at);
  }
  std::string_view next() {
    std::array<char, id_mark.size()> id{};
    auto rest = ++number_;
    for (auto digit = id.rbegin(); digit != id.rend(); ++digit, rest /= 16) *digit = "0123456789abcdef"[rest % 16];
    for (auto const at : ids_) std::copy(id.begin(), id.end(), text_.begin() + static_cast<std::ptrdiff_t>(at));
    return text_;
  }

 private:
  std::string text_;
  std::vector<std::size_t> ids_;
  std::uint64_t number_ = 0;
};

/// The bytes of the first request in `text`, head and body; 0 when it is not complete.
std::size_t request_size(std::string_view text) {
  auto const end = text.find("\r\n\r\n");
  if (end == std::string_view::npos) return 0;
  constexpr std::string_view field = "\r\nContent-Length: ";
  auto const at = text.substr(0, end).find(field);
  if (!text.starts_with("POST ") || at == std::string_view::npos)
    throw std::runtime_error("a request is no POST with a Content-Length");
  std::size_t length = 0;
  std::from_chars(text.data() + at + field.size(), text.data() + end, length);
  auto const size = end + 4 + length;
  return size > text.size() ? 0 : size;
}

/// The answers, by the path that is asked.
class Answers {
 public:
  Answer& to(std::string_view request) {
    auto const line = request.substr(0, request.find("\r\n"));
    if (line.find("/chat/completions") != std::string_view::npos) return turn_;
    return line.find("/oauth/") != std::string_view::npos ? token_ : receipt_;
  }

 private:
  Answer turn_{make_turn()};
  Answer receipt_{make_receipt()};
  Answer token_{make_token()};
};

[[noreturn]] void fail(char const* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

/// Answers every request after the same time, so that the answers due stand in a queue in order.
class Responder {
 public:
  Responder(std::uint16_t port, std::chrono::microseconds latency) : latency_{latency} {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    auto const on = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener_, 65535) != 0)
      fail("the port cannot be listened on");
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    watch(listener_);
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, nullptr);
    end_ = signalfd(-1, &ends, 0);
    watch(end_);
  }

  std::uint16_t port() const { return port_; }
  /// The most requests that waited for their answers at once.
  std::size_t most_waiting() const { return most_waiting_; }

  /// Until SIGTERM.
  void run() {
    std::array<epoll_event, 256> events{};
    while (true) {
      auto const count = epoll_wait(poll_, events.data(), static_cast<int>(events.size()), wait_time());
      if (count < 0 && errno != EINTR) fail("epoll_wait");
      auto const now = Clock::now();
      for (auto i = 0; i < count; ++i) {
        auto const socket = events[static_cast<std::size_t>(i)].data.fd;
        if (socket == end_) return;
        if (socket == listener_) {
          accept_all();
        } else {
          read(socket, now);
        }
      }
      answer_due(now);
    }
  }

 private:
  struct Due {
    Clock::time_point at;
    Answer* answer;
    int socket;
    std::uint32_t generation;
  };

  int wait_time() const {
    if (due_.empty()) return -1;
    auto const left = due_.front().at - Clock::now();
    return left <= Clock::duration::zero() ? 0 : static_cast<int>(left / std::chrono::milliseconds{1}) + 1;
  }

  void watch(int socket) const {
    epoll_event event{EPOLLIN, {.fd = socket}};
    if (epoll_ctl(poll_, EPOLL_CTL_ADD, socket, &event) != 0) fail("epoll_ctl");
  }

  void accept_all() {
    for (int socket = 0; (socket = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
      auto const on = 1;
      setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      if (generations_.size() <= static_cast<std::size_t>(socket))
        generations_.resize(static_cast<std::size_t>(socket) + 1);
      watch(socket);
    }
  }

  void read(int socket, Clock::time_point now) {
    auto const got = recv(socket, buffer_.data(), buffer_.size(), 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return end(socket);
    std::string_view text{buffer_.data(), static_cast<std::size_t>(got)};
    auto const begun = begun_.find(socket);
    if (begun != begun_.end()) text = begun->second.append(text);
    while (auto const size = request_size(text)) {
      due_.push_back({now + latency_, &answers_.to(text), socket, generations_[static_cast<std::size_t>(socket)]});
      text.remove_prefix(size);
    }
    most_waiting_ = std::max(most_waiting_, due_.size());
    std::string rest{text};
    if (begun != begun_.end()) begun_.erase(begun);
    if (!rest.empty()) begun_.emplace(socket, std::move(rest));
  }

  void answer_due(Clock::time_point now) {
    while (!due_.empty() && due_.front().at <= now) {
      auto const [at, answer, socket, generation] = due_.front();
      due_.pop_front();
      if (generation != generations_[static_cast<std::size_t>(socket)]) continue;  // it is closed
      auto const text = answer->next();
      auto const sent = send(socket, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent < 0) {
        end(socket);
      } else if (static_cast<std::size_t>(sent) != text.size()) {
        throw std::runtime_error("an answer did not go out whole");
      }
    }
  }

  void end(int socket) {
    close(socket);
    ++generations_[static_cast<std::size_t>(socket)];
    begun_.erase(socket);
  }

  std::chrono::microseconds latency_;
  int listener_ = -1;
  int poll_ = epoll_create1(0);
  int end_ = -1;  // readable once there was a SIGTERM
  std::uint16_t port_ = 0;
  Answers answers_;
  std::deque<Due> due_;
  std::size_t most_waiting_ = 0;
  std::vector<std::uint32_t> generations_;      // of each descriptor: how often it was closed
  std::unordered_map<int, std::string> begun_;  // requests that came in part
  std::array<char, 64 * 1024> buffer_{};
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App application{
      "Answers each POST on 127.0.0.1 after the same time, on one thread with epoll: .../chat/completions with the "
      "same\nstreamed answer, other paths as MTN takes an SMS or gives a token. It is the model and the provider of "
      "rows that\nmeasure what a turn or a message costs; `omnibus simulate` reads requests and makes up answers, this "
      "does not.\nEnds on SIGTERM and prints most_waiting=N, the most requests that waited for answers at once.",
      "tests/bench/responder"};
  std::uint16_t port = 0;
  std::int64_t latency = 100;
  std::string ready_file;
  application.add_option("--port", port, "0: a free one")->capture_default_str();
  application.add_option("--latency", latency, "Milliseconds from a request's arrival to its answer")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  application.add_option("--ready-file", ready_file, "Write the base URL to this file once requests are accepted");
  CLI11_PARSE(application, argc, argv);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  try {
    Responder responder{port, std::chrono::milliseconds{latency}};
    auto const url = "http://127.0.0.1:" + std::to_string(responder.port()) + "/v1";
    std::puts(url.c_str());
    std::fflush(stdout);
    if (!ready_file.empty()) {
      auto const part = ready_file + ".part";
      std::ofstream(part) << url << '\n';
      std::rename(part.c_str(), ready_file.c_str());
    }
    responder.run();
    std::printf("most_waiting=%zu\n", responder.most_waiting());
  } catch (std::exception const& error) {
    std::fprintf(stderr, "tests/bench/responder: %s\n", error.what());
    return 1;
  }
}
