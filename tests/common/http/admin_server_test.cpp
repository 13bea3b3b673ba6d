#include "http/admin_server.hpp"

#include "observability/log.hpp"
#include "observability/metrics.hpp"
#include "raw_peer.hpp"

#include <sstream>

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

}  // namespace

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
