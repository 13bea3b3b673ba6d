#include "http/socket_set.hpp"

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>

#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace omnibus::http;

namespace {

/// One end of a pair of sockets, which counts what it is told.
class Watched final : public SocketWatcher {
 public:
  explicit Watched(SocketSet& set) : set_(set) {
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_) == 0);
    REQUIRE(set_.add(ends_[0], *this));
  }
  ~Watched() override {
    forget();
    close(ends_[0]);
    close(ends_[1]);
  }
  void ready(std::uint32_t events) override {
    ++told;
    last = events;
    if (when_ready) when_ready();
  }
  void receive() const { REQUIRE(write(ends_[1], "x", 1) == 1); }
  void hang_up() const { shutdown(ends_[1], SHUT_RDWR); }
  void forget() { set_.remove(ends_[0], *this); }
  void tell_again() { set_.tell_again(ends_[0], *this); }

  int told = 0;
  std::uint32_t last = 0;
  std::function<void()> when_ready;

 private:
  SocketSet& set_;
  int ends_[2] = {-1, -1};
};

void take(SocketSet& set) {
  set.take([](SocketWatcher& watcher, std::uint32_t events) { watcher.ready(events); });
}

}  // namespace

TEST_CASE("a socket's watcher is told once of each change") {
  boost::asio::io_context context;
  SocketSet set{context};
  Watched socket{set};
  take(set);
  CHECK(socket.told == 1);
  CHECK((socket.last & EPOLLOUT) != 0);
  take(set);
  CHECK(socket.told == 1);
  socket.receive();
  take(set);
  take(set);
  CHECK(socket.told == 2);
  CHECK((socket.last & EPOLLIN) != 0);
  socket.tell_again();
  take(set);
  CHECK(socket.told == 3);
  socket.hang_up();
  take(set);
  CHECK(socket.told == 4);
  CHECK((socket.last & EPOLLRDHUP) != 0);
}

TEST_CASE("a socket that is forgotten by another's watcher is not told any more") {
  boost::asio::io_context context;
  SocketSet set{context};
  Watched first{set}, second{set};
  first.when_ready = [&] { second.forget(); };
  second.when_ready = [&] { first.forget(); };
  take(set);
  CHECK(first.told + second.told == 1);
}

TEST_CASE("what a batch has left is told after a watcher threw") {
  boost::asio::io_context context;
  SocketSet set{context};
  Watched first{set}, second{set};
  first.when_ready = second.when_ready = [] { throw std::runtime_error("broken"); };
  CHECK_THROWS(take(set));
  CHECK(first.told + second.told == 1);
  CHECK_THROWS(take(set));
  CHECK(first.told + second.told == 2);
}

TEST_CASE("a set waits in the event loop until a socket is ready, and no longer once it is closed") {
  boost::asio::io_context context;
  SocketSet set{context};
  Watched socket{set};
  take(set);
  auto waited = 0;
  auto const count = [&](boost::system::error_code error) { waited += error ? 0 : 1; };
  set.async_wait(count);
  context.run_for(std::chrono::milliseconds{1});
  CHECK(waited == 0);
  socket.receive();
  context.restart();
  context.run_for(std::chrono::seconds{5});
  CHECK(waited == 1);
  take(set);
  set.async_wait(count);
  set.close();
  context.restart();
  context.run();
  CHECK(waited == 1);
}
