#include "http/admin_server.hpp"

#include "http/loop_watch.hpp"
#include "http/turns.hpp"
#include "observability/log.hpp"
#include "observability/metrics.hpp"
#include "raw_peer.hpp"

#include <chrono>
#include <latch>
#include <sstream>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>
#include <doctest/doctest.h>

namespace omnibus::http {
namespace {

std::string get(AdminServer const& server, std::string const& path) {
  return exchange(server.port(), "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
}

bool contains(std::string const& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// Asks for `path` until the answer has `status`, for a minute at most.
std::string get_until(AdminServer const& server, std::string const& path, std::string_view status) {
  auto const until = std::chrono::steady_clock::now() + std::chrono::minutes{1};
  std::string answer;
  do answer = get(server, path);
  while (!contains(answer, status) && std::chrono::steady_clock::now() < until);
  return answer;
}

}  // namespace

TEST_CASE("a process whose event loop is blocked is not alive, until the loop turns again or has ended") {
  using namespace std::chrono_literals;
  AdminServer server("127.0.0.1", 0);
  boost::asio::io_context loop{1};
  std::latch blocked{1};
  std::latch released{1};
  std::thread thread{[&] {
    LoopWatch const watch(server, loop, 50ms);
    auto const working = boost::asio::make_work_guard(loop);
    loop.run();
  }};
  CHECK(contains(get(server, "/livez"), "HTTP/1.1 200"));
  boost::asio::post(loop, [&] {
    blocked.count_down();
    released.wait();
  });
  blocked.wait();
  CHECK(contains(get_until(server, "/livez", "HTTP/1.1 503"), "[-] event loop\nnot alive\n"));
  released.count_down();
  CHECK(contains(get_until(server, "/livez", "HTTP/1.1 200"), "alive\n"));
  loop.stop();
  thread.join();
  std::this_thread::sleep_for(60ms);  // longer than the limit
  CHECK(contains(get(server, "/livez"), "HTTP/1.1 200"));
}

TEST_CASE("a main loop is missed in a turn that takes too long, and neither between turns nor while it may wait") {
  using namespace std::chrono_literals;
  AdminServer server("127.0.0.1", 0);
  Turns turns(server, 20ms);
  turns.begin(1h);
  std::this_thread::sleep_for(30ms);
  CHECK(contains(get(server, "/livez"), "HTTP/1.1 200"));
  turns.end(true);
  CHECK(contains(get(server, "/readyz"), "HTTP/1.1 200"));
  turns.begin();
  CHECK(contains(get_until(server, "/livez", "HTTP/1.1 503"), "[-] main loop\nnot alive\n"));
  turns.end(false);
  CHECK(contains(get(server, "/livez"), "HTTP/1.1 200"));
  CHECK(contains(get(server, "/readyz"), "HTTP/1.1 503"));
}

TEST_CASE("a pulse without a limit is never missed") {
  AdminServer::Pulse unlimited("event loop", std::chrono::milliseconds{0});
  unlimited.beat();
  std::this_thread::sleep_for(std::chrono::milliseconds{2});
  CHECK_FALSE(unlimited.is_missed());
}

TEST_CASE("a process is ready only once all its checks are, and says which are not") {
  AdminServer server("127.0.0.1", 0);
  CHECK(contains(get(server, "/readyz"), "HTTP/1.1 503"));  // nobody has said yet what it needs
  auto const kafka = server.add_check("kafka");
  auto const database = server.add_check("database");
  kafka->set(true);
  auto const waiting = get(server, "/readyz");
  CHECK(contains(waiting, "HTTP/1.1 503"));
  CHECK(contains(waiting, "[+] kafka\n[-] database\nnot ready\n"));
  database->set(true);
  CHECK(contains(get(server, "/readyz"), "HTTP/1.1 200"));
  kafka->set(false);
  CHECK(contains(get(server, "/readyz"), "HTTP/1.1 503"));
  CHECK(contains(get(server, "/livez"), "HTTP/1.1 200"));
}

TEST_CASE("/metrics shows the process's metrics as Prometheus text") {
  Metrics::process().counter<Metric::retries>().add(3);
  AdminServer server("127.0.0.1", 0);
  auto const answer = get(server, "/metrics");
  CHECK(contains(answer, "HTTP/1.1 200"));
  CHECK(contains(answer, "text/plain; version=0.0.4"));
  CHECK(contains(answer, "\nomnibus_retries_total 3\n"));
}

TEST_CASE("the bound address is logged, so that port 0 can be found") {
  std::ostringstream lines;
  log::redirect(&lines);
  AdminServer server("127.0.0.1", 0);
  log::redirect(nullptr);
  CHECK(server.port() != 0);
  CHECK(contains(lines.str(),
                 R"("msg":"metrics listening","address":"127.0.0.1:)" + std::to_string(server.port()) + '"'));
}

TEST_CASE("an address that is taken is an error that names it") {
  AdminServer const first("127.0.0.1", 0);
  CHECK_THROWS_WITH_AS(AdminServer("127.0.0.1", first.port()),
                       doctest::Contains(("127.0.0.1:" + std::to_string(first.port())).c_str()),
                       boost::system::system_error);
}

}  // namespace omnibus::http
