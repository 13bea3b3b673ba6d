// The address in an e-mail that ends it.
#include "messaging/unsubscribe.hpp"
#include "tests/workers/gateway/matches/match_world.hpp"
#include "workers/gateway/routes/unsubscribe_route.hpp"

using namespace omnibus;
using namespace omnibus::gateway;
using namespace omnibus::gateway::test;

TEST_CASE_FIXTURE(MatchWorld,
                  "reading the address shows a page with a button; posting it ends the e-mail, without a login") {
  UnsubscribeRoute unsubscribe{admission, store, "secret"};
  unsubscribe.add_to(router);
  auto const address = messaging::unsubscribe_address("secret", "shop.example", *parse_uuid(ann));
  auto const ask = [&](std::string method, std::string const& target) {
    return serve(request("", std::move(method), target));
  };
  auto const ended = [&] { return value("SELECT count(*)::text FROM omniscient_report_unsubscriptions"); };
  auto const page = ask("GET", address);
  CHECK(page.status == 200);
  CHECK(page.headers.find("Content-Type") == "text/html; charset=utf-8");
  CHECK(has(page, "<form method=\"post\">"));
  CHECK(ask("HEAD", address).status == 200);
  CHECK(ask("GET", address + "0").status == 403);
  CHECK(ask("POST", address + "0").status == 403);
  CHECK(ended() == "0");
  CHECK(ask("POST", address).status == 200);
  CHECK(ended() == "1");
  // Other reports are still read with a token.
  CHECK(ask("GET", "/v1/reports/" + std::string(report)).status == 401);
  CHECK(get("ann", "/v1/reports/" + std::string(report)).status == 200);
}
