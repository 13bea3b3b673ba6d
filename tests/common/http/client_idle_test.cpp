#include "http/client_pool.hpp"

#include <cerrno>
#include <cstddef>
#include <memory>
#include <system_error>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

namespace omnibus::http {
namespace {

/// How many instructions `work` runs. It runs in a child process, of which nothing comes back.
template <class Work>
std::size_t instructions_of(Work work) {
  auto const child = ::fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (child == 0) {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::raise(SIGSTOP);
    work();
    ::raise(SIGSTOP);
    ::_exit(0);
  }
  std::size_t instructions = 0;
  int status = 0;
  ::waitpid(child, &status, 0);
  while (WIFSTOPPED(status)) {
    if (WSTOPSIG(status) == SIGSTOP && instructions > 0) break;
    ++instructions;
    if (::ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr) != 0) break;
    ::waitpid(child, &status, 0);
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, &status, 0);
  return instructions;
}

/// What it costs that the server closes the connection in the middle of `count` idle ones.
std::size_t cost_of_closing_one_of(std::size_t count) {
  boost::asio::io_context context{1};
  auto const pool = std::make_shared<ClientPool>(context, HttpClientSettings{});
  auto& host = pool->host_of(*parse_url("http://127.0.0.1:1"));
  std::vector<ClientConnection::Pointer> connections;
  for (std::size_t i = 0; i < count; ++i) {
    connections.emplace_back(new ClientConnection(*pool, host));
    ++host.open;
    pool->released(*connections.back(), host);
  }
  REQUIRE(pool->counts().idle == count);
  auto& middle = *connections[count / 2];
  auto const cost = instructions_of([&] { pool->closed(middle, host, false); });
  for (auto const& connection : connections) pool->closed(*connection, host, false);
  CHECK(pool->counts().idle == 0);
  CHECK(pool->counts().open == 0);
  return cost;
}

}  // namespace

TEST_CASE("closing an idle connection costs the same however many are idle") {
  auto const of_few = cost_of_closing_one_of(10);
  auto const of_many = cost_of_closing_one_of(10'000);
  CAPTURE(of_few);
  CAPTURE(of_many);
  CHECK(of_few > 0);
  CHECK(of_many <= 2 * of_few);
}

}  // namespace omnibus::http
