#include "workers/gateway/door/principal.hpp"

#include "workers/gateway/door/refusal.hpp"
#include "workers/gateway/routes/events_route.hpp"
#include "workers/gateway/routes/messages_route.hpp"
#include "workers/gateway/routes/stream_route.hpp"
#include "workers/gateway/routes/telemetry_route.hpp"
#include "workers/gateway/routes/transcript_route.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus::gateway;

namespace {

constexpr auto every_role = {Role::visitor, Role::agent, Role::operator_role, Role::admin, Role::service};

/// A route, what it needs, and the roles that it serves.
struct Row {
  std::string route;
  Needs needs;
  std::vector<Role> served;
};

std::vector<Row> const table{
    {"POST /v1/chat/messages", MessagesRoute::needs, {Role::operator_role, Role::admin, Role::service}},
    {"POST /v1/events", EventsRoute::needs, {Role::operator_role, Role::admin, Role::service}},
    {"GET /v1/conversations/{id}",
     TranscriptRoute::needs,
     {Role::agent, Role::operator_role, Role::admin, Role::service}},
    {"GET /v1/conversations/{id}/events",
     StreamRoute::needs,
     {Role::agent, Role::operator_role, Role::admin, Role::service}},
    {"GET /v1/telemetry", TelemetryRoute::needs, {Role::operator_role, Role::admin, Role::service}},
};

std::string detail_of(Role role, Needs needs) {
  try {
    check_role(Principal{"shop.example", role}, needs);
  } catch (Refusal const& refusal) {
    CHECK(refusal.status == 403);
    return refusal.detail;
  }
  return "served";
}

}  // namespace

TEST_CASE("each route serves the roles of its row and refuses the others") {
  for (auto const& row : table) {
    CAPTURE(row.route);
    for (auto const role : every_role) {
      CAPTURE(to_string(role));
      auto const served = std::find(row.served.begin(), row.served.end(), role) != row.served.end();
      CHECK((detail_of(role, row.needs) == "served") == served);
    }
  }
}

TEST_CASE("a role includes those before it, and a service has what is granted to services alone") {
  for (auto const least : {Role::visitor, Role::agent, Role::operator_role, Role::admin}) {
    for (auto const role : {Role::visitor, Role::agent, Role::operator_role, Role::admin})
      CHECK(at_least(least).met_by(role) == (role >= least));
    CHECK_FALSE(at_least(least).met_by(Role::service));
    CHECK(service_or(least).met_by(Role::service));
  }
}

TEST_CASE("a refusal names the role needed and the token's") {
  CHECK(detail_of(Role::agent, at_least(Role::operator_role)) ==
        "This needs the role operator; the token has the role agent");
  CHECK(detail_of(Role::service, at_least(Role::visitor)) ==
        "This needs the role visitor; the token has the role service");
  CHECK(detail_of(Role::visitor, service_or(Role::agent)) ==
        "This needs the role agent or service; the token has the role visitor");
}

TEST_CASE("roles are read by their names, and by no other text") {
  for (auto const role : every_role) CHECK(parse_role(to_string(role)) == role);
  for (auto const* name : {"", "tenant", "Admin", "operator_role", "admin "}) CHECK_FALSE(parse_role(name));
}

TEST_CASE("a caller acts for its own tenant, and an operator or admin without a tenant for any") {
  for (auto const role : every_role) {
    CAPTURE(to_string(role));
    Principal const of_shop{"shop.example", role};
    CHECK(of_shop.may_act_for("shop.example"));
    CHECK_FALSE(of_shop.may_act_for("bank.example"));
    CHECK_FALSE(of_shop.may_act_for(""));
    auto const everywhere = role == Role::operator_role || role == Role::admin;
    Principal const of_none{"", role};
    CHECK(of_none.acts_for_all() == everywhere);
    CHECK(of_none.may_act_for("bank.example") == everywhere);
    CHECK(of_none.may_act_for("") == everywhere);
  }
}

TEST_CASE("no scope is made for a tenant that the caller does not act for") {
  Principal const of_shop{"shop.example", Role::operator_role, omnibus::random_uuid()};
  auto const scope = of_shop.in("shop.example");
  CHECK(scope.domain == "shop.example");
  CHECK(scope.role == Role::operator_role);
  CHECK(scope.principal == of_shop.id);
  CHECK_THROWS_AS(of_shop.in("bank.example"), std::logic_error);
  CHECK_THROWS_AS(of_shop.in(""), std::logic_error);
  CHECK(Principal{"", Role::admin}.in("").domain.empty());
}
