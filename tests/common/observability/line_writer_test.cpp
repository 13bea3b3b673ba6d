#include "observability/line_writer.hpp"

#include "observability/log.hpp"
#include "observability/log_output.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <sstream>
#include <string>
#include <system_error>

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace omnibus::log {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t held_by_a_pipe = 64 * 1024;

/// A pipe whose reader reads only when told to.
class Pipe {
 public:
  Pipe() {
    if (::pipe(ends_.data()) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  }
  ~Pipe() {
    ::close(ends_[0]);
    close_in();
  }
  Pipe(Pipe const&) = delete;
  Pipe& operator=(Pipe const&) = delete;

  int in() const { return ends_[1]; }
  void close_in() {
    if (ends_[1] >= 0) ::close(ends_[1]);
    ends_[1] = -1;
  }
  /// Reads until `enough` says so of what was read, or until the pipe's end.
  template <class Enough>
  std::string read_until_enough(Enough enough) {
    std::string text;
    std::array<char, 4096> some{};
    while (!enough(text)) {
      auto const count = ::read(ends_[0], some.data(), some.size());
      if (count <= 0) break;
      text.append(some.data(), static_cast<std::size_t>(count));
    }
    return text;
  }
  /// Reads until what was read ends with `last`, or until the pipe's end.
  std::string read_until(std::string const& last) {
    return read_until_enough([&](std::string const& text) { return text.ends_with(last); });
  }

 private:
  std::array<int, 2> ends_{-1, -1};
};

std::string told(std::uint64_t dropped) {
  return std::to_string(dropped) + " dropped";
}

/// What a text of whole lines says: lines that were added, and how many others its notices tell of.
struct Said {
  std::uint64_t lines = 0;
  std::uint64_t dropped = 0;
  bool operator==(Said const&) const = default;
};

Said said_by(std::string const& text) {
  Said said;
  std::istringstream lines{text};
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with(" dropped")) {
      said.dropped += std::stoull(line);
    } else {
      ++said.lines;
    }
  }
  return said;
}

}  // namespace

TEST_CASE("lines are written in the order in which they were added") {
  Pipe pipe;
  LineWriter writer{pipe.in(), 1024, told};
  writer.add("one");
  writer.add("two");
  CHECK(pipe.read_until("two\n") == "one\ntwo\n");
  CHECK(writer.flush(10s));
  CHECK(writer.dropped() == 0);
}

TEST_CASE("nobody waits for a reader that stalls: lines without room are dropped, counted and told of") {
  Pipe pipe;
  LineWriter writer{pipe.in(), 2 * held_by_a_pipe, told};
  std::string const line(1023, 'x');
  for (auto i = 0; i < 1000; ++i) writer.add(line);  // were it to wait for the reader, the test would end here
  auto const dropped = writer.dropped();
  CHECK(dropped >= 1000 - 3 * 64);
  CHECK(dropped < 1000);
  CHECK_FALSE(writer.flush(1ms));

  // The thread may have begun when some were dropped already: it tells of those first.
  auto const text = pipe.read_until_enough(
      [&](std::string const& read) { return read.ends_with('\n') && said_by(read).dropped >= dropped; });
  CHECK(said_by(text) == Said{1000 - dropped, dropped});
  CHECK(writer.flush(10s));
  writer.add("again");
  CHECK(pipe.read_until("again\n") == "again\n");
  CHECK(writer.dropped() == dropped);
}

TEST_CASE("lines gather for a moment, but for nobody who waits for them, and not until they find no room") {
  Pipe pipe;
  constexpr std::size_t most = 32 * 1024;
  LineWriter writer{pipe.in(), most, told};
  auto const fastest = [](auto work) {
    work();  // what comes first is written at once
    auto least = std::chrono::steady_clock::duration::max();
    for (auto i = 0; i < 100; ++i) {
      auto const begun = std::chrono::steady_clock::now();
      work();
      least = std::min(least, std::chrono::steady_clock::now() - begun);
    }
    return least;
  };
  CHECK(fastest([&] {
          writer.add("one");
          CHECK(writer.flush(10s));
          pipe.read_until("one\n");
        }) < 4ms);
  CHECK(fastest([&] {
          writer.add(std::string(most / 3, 'x'));  // two of them fit
          pipe.read_until("x\n");
        }) < 4ms);
  CHECK(writer.dropped() == 0);
}

TEST_CASE("a writer ends though its reader stalls") {
  Pipe pipe;
  std::string const line(2 * held_by_a_pipe, 'x');
  {
    LineWriter writer{pipe.in(), 8 * held_by_a_pipe, told};
    writer.add(line);
    writer.add(line);
    pipe.read_until_enough([](std::string const& read) { return !read.empty(); });  // it has begun
    CHECK_FALSE(writer.flush(1ms));
  }
  pipe.read_until("x\n");  // the thread writes to the end what it had begun
}

namespace {

/// What `work` writes to stdout in a process of its own, which then ends as `work` ends it.
template <class Work>
std::string output_of(Work work) {
  Pipe pipe;
  auto const child = ::fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (child == 0) {
    ::dup2(pipe.in(), STDOUT_FILENO);
    pipe.close_in();
    work();
    std::_Exit(3);
  }
  pipe.close_in();
  auto text = pipe.read_until("\x04");  // to the end
  int status = 0;
  ::waitpid(child, &status, 0);
  return text;
}

}  // namespace

TEST_CASE("a line that was logged just before the process ends is written") {
  CHECK(output_of([] {
          log::info("last words");
          log::leave(0);
        }).find("last words") != std::string::npos);
  CHECK(output_of([] {
          log::info("last words");
          std::exit(0);  // NOLINT(concurrency-mt-unsafe): this process has no other thread
        }).find("last words") != std::string::npos);
  CHECK(output_of([] {
          ::signal(SIGABRT, SIG_DFL);  // not the test runner's own
          log::info("last words");
          std::terminate();
        }).find("last words") != std::string::npos);
}

}  // namespace omnibus::log
