// What providers report of deliveries, in a migrated database.
#include "tests/workers/notify/ledger_fixture.hpp"

#include <algorithm>

using namespace omnibus;
using namespace omnibus::notify;
using namespace omnibus::notify::test;

TEST_CASE("receipts in any order, late and twice, end in the furthest state") {
  States statuses{"sent", "delivered", "read"};
  do {
    Ledger ledger;
    auto const plan = ledger.plan("whatsapp");
    ledger.open(plan);
    ledger.dispatch(plan);
    ledger.end(plan, "accepted", 1, "m1");
    for (int round = 0; round < 2; ++round)
      for (auto const& status : statuses) ledger.receipt(plan, status, "m1");
    CHECK(ledger.state(plan) == "read 1");
    CHECK(ledger.log(plan) == "read");
    CHECK(ledger.value("SELECT has_whatsapp::text FROM profiles") == "true");
    CHECK_FALSE(ledger.receipt(plan, "failed", "m1"));
    CHECK(ledger.state(plan) == "read 1");
  } while (std::next_permutation(statuses.begin(), statuses.end()));
}

TEST_CASE("receipts that come before the provider's answer are kept, and applied with it") {
  Ledger ledger;
  auto const plan = ledger.plan();
  ledger.open(plan);
  ledger.dispatch(plan);
  CHECK_FALSE(ledger.receipt(plan, "read", "m1"));
  CHECK_FALSE(ledger.receipt(plan, "delivered", "m1"));
  CHECK_FALSE(ledger.receipt(plan, "delivered", "m1"));
  CHECK(ledger.value("SELECT count(*) FROM pipeline.delivery_receipt") == "2");
  auto const entered = ledger.end(plan, "accepted", 1, "m1");
  CHECK(entered.front() == "accepted");
  CHECK(entered.back() == "read");
  CHECK(ledger.state(plan) == "read 1");
  CHECK(ledger.value("SELECT count(*) FROM pipeline.delivery_receipt") == "0");
}

TEST_CASE("a receipt with our key resolves what is on its way or in doubt") {
  Ledger ledger;
  auto const plan = ledger.plan();
  ledger.open(plan);
  ledger.dispatch(plan);
  SUBCASE("on its way") {}
  SUBCASE("in doubt") {
    REQUIRE(ledger.end(plan, "in_doubt") == States{"in_doubt"});
  }
  auto const moved = ledger.receipt(plan, "accepted", "m1", true);
  REQUIRE(moved);
  CHECK(moved->state == "accepted");
  CHECK(moved->provider_message_id == "m1");
  CHECK(ledger.receipt(plan, "delivered", "m1")->state == "delivered");
  CHECK(ledger.end(plan, "in_doubt") == States{});
  CHECK(ledger.state(plan) == "delivered 1");
}

TEST_CASE("a failed receipt fails what was accepted, teaches who has no WhatsApp, and yields to a later delivery") {
  Ledger ledger;
  auto const plan = ledger.plan("whatsapp");
  ledger.open(plan);
  ledger.dispatch(plan);
  ledger.end(plan, "accepted", 1, "m1");
  auto const moved = ledger.receipt(plan, "failed", "m1", false, "131026");
  REQUIRE(moved);
  CHECK(moved->error_code == "131026");
  CHECK(ledger.value("SELECT has_whatsapp::text FROM profiles") == "false");
  CHECK(ledger.receipt(plan, "delivered", "m1")->state == "delivered");
  CHECK(ledger.value("SELECT has_whatsapp::text FROM profiles") == "true");
}

TEST_CASE("that an earlier attempt failed does not fail the next, whenever it is told") {
  Ledger ledger;
  auto const plan = ledger.plan();
  auto const failed = [&](std::optional<std::string> id) {
    return ledger.receipt(plan, "failed", std::move(id), true);
  };
  ledger.open(plan);
  SUBCASE("nobody knows of the earlier one") {
    ledger.dispatch_for_too_long(plan);
    REQUIRE(claim_again(ledger.notify, plan, 1, "b", lease));
    CHECK_FALSE(failed("m1"));
    REQUIRE(ledger.dispatch(plan, 2, "b") == Clearance::go);
    CHECK_FALSE(failed("m1"));
    CHECK_FALSE(failed({}));
    CHECK(ledger.state(plan) == "dispatching 2");
    SUBCASE("and the next is accepted") {
      CHECK(ledger.end(plan, "accepted", 2, "m2") == States{"accepted"});
      CHECK_FALSE(failed("m1"));
      CHECK_FALSE(failed({}));
      CHECK(failed("m2")->state == "failed");  // its own
    }
    SUBCASE("and the next one's failure is told before its answer") {
      CHECK_FALSE(failed("m2"));
      CHECK(ledger.end(plan, "accepted", 2, "m2") == States{"accepted", "failed"});
    }
    SUBCASE("and nobody knows of the next either") {
      CHECK(ledger.end(plan, "in_doubt", 2) == States{"in_doubt"});
      CHECK_FALSE(failed("m1"));
      CHECK_FALSE(failed({}));
      CHECK(ledger.state(plan) == "in_doubt 2");
      CHECK(ledger.receipt(plan, "delivered", "m2", true)->state == "delivered");
    }
  }
  SUBCASE("an operator had it sent again after it") {
    ledger.dispatch(plan);
    ledger.end(plan, "accepted", 1, "m1");
    REQUIRE(failed("m1"));
    ledger.value("UPDATE pipeline.delivery SET state = 'planned', attempt = 2 RETURNING state");
    ledger.open(plan);
    REQUIRE(ledger.dispatch(plan, 2) == Clearance::go);
    CHECK_FALSE(failed("m1"));
    CHECK_FALSE(ledger.receipt(plan, "failed", "m1"));
    CHECK_FALSE(failed({}));
    CHECK(ledger.state(plan) == "dispatching 2");
    CHECK(failed("m2")->state == "failed");
  }
}

TEST_CASE("the failure of a later attempt is told by our key alone, where the earlier ones were refused") {
  Ledger ledger;
  auto const plan = ledger.plan();
  ledger.open(plan);
  ledger.dispatch(plan);
  REQUIRE(ledger.end(plan, "planned") == States{"planned"});
  ledger.open(plan);
  REQUIRE(ledger.dispatch(plan, 2) == Clearance::go);
  SUBCASE("on its way") {}
  SUBCASE("accepted") {
    ledger.end(plan, "accepted", 2, "m2");
  }
  CHECK(ledger.receipt(plan, "failed", {}, true)->state == "failed");
}

TEST_CASE("a receipt that says nothing, or of nothing of ours, moves nothing") {
  Ledger ledger;
  auto const plan = ledger.plan();
  ledger.open(plan);
  CHECK_FALSE(ledger.receipt(plan, "unknown", {}, true));
  CHECK_FALSE(ledger.receipt(plan, "failed", {}, true));  // of an attempt that was not made
  CHECK_FALSE(ledger.receipt(ledger.plan(), "delivered", "foreign"));
  CHECK(ledger.state(plan) == "claimed 1");
}
