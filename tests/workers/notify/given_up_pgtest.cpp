// Deliveries whose request was parked, in a migrated database.
#include "tests/workers/notify/ledger_fixture.hpp"

using namespace omnibus;
using namespace omnibus::notify;
using namespace omnibus::notify::test;

TEST_CASE("what has not left fails with its request, in the ledger and in the log") {
  Ledger ledger;
  auto const plan = ledger.plan();
  ledger.ask_for(plan);
  auto const failure = "status || ' ' || error_code || ' ' || error_class";
  SUBCASE("asked for, and not planned yet") {
    CHECK(ledger.give_up(plan) == States{"failed"});
  }
  SUBCASE("claimed") {
    ledger.open(plan);
    CHECK(ledger.give_up(plan) == States{"failed"});
    CHECK(ledger.state(plan) == "failed 1");
    CHECK(ledger.dispatch(plan) == Clearance::lost);
    CHECK(ledger.value("SELECT error_class || ': ' || reason FROM pipeline.delivery") ==
          "inactive_tenant: the tenant is not active");
  }
  SUBCASE("refused, and planned for another attempt") {
    ledger.open(plan);
    ledger.dispatch(plan);
    ledger.end(plan, "planned");
    CHECK(ledger.give_up(plan) == States{"failed"});
    CHECK(ledger.state(plan) == "failed 2");
  }
  CHECK(ledger.log(plan, failure) == "failed given_up inactive_tenant");
  CHECK(ledger.log(plan, "content") == "Agreed: 250k");
  CHECK(ledger.give_up(plan) == States{});
  ledger.ask_for(plan);  // whoever asked does so again
  CHECK(ledger.log(plan, failure) == "failed given_up inactive_tenant");
}

TEST_CASE("what is on its way, in doubt or over stays as it is when its request is given up") {
  Ledger ledger;
  auto const plan = ledger.plan();
  ledger.ask_for(plan);
  ledger.open(plan);
  ledger.dispatch(plan);
  CHECK(ledger.give_up(plan) == States{});
  CHECK(ledger.state(plan) == "dispatching 1");
  CHECK(ledger.log(plan) == "planned");
  ledger.end(plan, "in_doubt");
  CHECK(ledger.give_up(plan) == States{});
  CHECK(ledger.state(plan) == "in_doubt 1");
  CHECK(ledger.receipt(plan, "delivered", "m1", true)->state == "delivered");
  CHECK(ledger.give_up(plan) == States{});
  CHECK(ledger.log(plan) == "delivered");
}

TEST_CASE("a request that is given up leaves in doubt what an earlier attempt may have sent") {
  Ledger ledger;
  auto const plan = ledger.plan();
  ledger.open(plan);
  ledger.dispatch_for_too_long(plan);
  SUBCASE("claimed once more") {
    REQUIRE(claim_again(ledger.notify, plan, 1, "b", lease));
  }
  SUBCASE("planned once more, as an operator said") {
    ledger.value("UPDATE pipeline.delivery SET state = 'planned', attempt = 2, unsure = true RETURNING state");
  }
  CHECK(ledger.give_up(plan) == States{"in_doubt"});
  CHECK(ledger.state(plan) == "in_doubt 2");
}

TEST_CASE("what was given up is sent after all once the worker forgets that it handled the request") {
  Ledger ledger;
  auto const plan = ledger.plan();
  ledger.ask_for(plan);
  auto const inbox = "FROM pipeline.inbox WHERE consumer = 'notify' AND event_id = '" + to_string(plan.event_key) + "'";
  ledger.value("INSERT INTO pipeline.inbox (consumer, event_id) VALUES ('notify', '" + to_string(plan.event_key) +
               "') RETURNING consumer");
  std::int32_t attempt = 1;
  SUBCASE("planned already") {
    ledger.open(plan);
    attempt = 2;
    REQUIRE(ledger.give_up(plan) == States{"failed"});
    CHECK_FALSE(ledger.open(plan, "b").found.claimed);  // the same event from a second producer
  }
  SUBCASE("not planned yet") {
    REQUIRE(ledger.give_up(plan) == States{"failed"});
  }
  ledger.value("DELETE " + inbox + " RETURNING consumer");  // as a redrive does
  auto const opened = ledger.open(plan, "b");
  CHECK(opened.found.claimed);
  CHECK(opened.found.attempt == attempt);
  CHECK(ledger.log(plan) == "failed");
  REQUIRE(ledger.dispatch(plan, attempt, "b") == Clearance::go);
  CHECK(ledger.end(plan, "accepted", attempt, "m1") == States{"accepted"});
  CHECK(ledger.log(plan, "status || coalesce(error_code, '') || coalesce(error_class, '')") == "sent");
}
