// Messages that are planned and dispatched at once, in a migrated database.
#include "tests/workers/notify/ledger_fixture.hpp"

#include <algorithm>
#include <future>
#include <string>
#include <vector>

using namespace omnibus;
using namespace omnibus::notify;
using namespace omnibus::notify::test;

namespace {

std::string spent(Ledger const& ledger) {
  return ledger.value(
      "SELECT string_agg(concat_ws(' ', domain, round(spent, 1)), ', ' ORDER BY domain) FROM pipeline.spend");
}

std::string deliveries(Ledger const& ledger) {
  return ledger.value("SELECT count(*) FROM pipeline.delivery");
}

}  // namespace

TEST_CASE("a look plans nothing, and says that a new message may be dispatched") {
  Ledger ledger;
  auto const plan = ledger.plan();
  auto const looked = ledger.look(plan);
  CHECK_FALSE(looked.planned);
  CHECK(looked.found.claimed);
  CHECK(looked.found.attempt == 1);
  CHECK(looked.person.phone_number == "+250788123456");
  CHECK(looked.kind == "call_summary");
  CHECK(deliveries(ledger) == "0");
  ledger.open(plan);
  CHECK(ledger.look(plan, "a").found.claimed);
  CHECK(ledger.look(plan, "b").planned);
  CHECK_FALSE(ledger.look(plan, "b").found.claimed);
}

TEST_CASE("a new message is dispatched as one that was claimed first, and counts for its person") {
  Ledger ledger;
  auto const plan = ledger.plan("sms", 400'000);
  CHECK(ledger.dispatch_new(plan) == Clearance::go);
  CHECK(ledger.state(plan) == "dispatching 1");
  CHECK(spent(ledger) == "shop.example 0.4");
  CHECK(ledger.look(ledger.plan()).sent_today.messages == 1);
  auto const other = ledger.look(plan, "b");
  CHECK(other.found.state == "dispatching");
  CHECK(other.found.lease_left > std::chrono::seconds{50});
  CHECK(ledger.end(plan, "accepted", 1, "m1") == States{"accepted"});
  CHECK(ledger.log(plan) == "sent");
}

TEST_CASE("a message that another process has claimed is not dispatched as new, and costs nothing") {
  Ledger ledger;
  auto const plan = ledger.plan("sms", 400'000);
  ledger.open(plan, "b");
  CHECK(ledger.dispatch_new(plan) == Clearance::lost);
  CHECK(ledger.state(plan) == "claimed 1");
  CHECK(spent(ledger) == "shop.example 0.0");
}

TEST_CASE("of two processes that have looked at a message one sends it") {
  Ledger ledger;
  auto const plan = ledger.plan("sms", 400'000);
  CHECK(ledger.dispatch_new(plan, "a") == Clearance::go);
  CHECK(ledger.dispatch_new(plan, "b") == Clearance::lost);
  CHECK(ledger.look(plan, "a").found.lease_left.count() == 0);
  CHECK(spent(ledger) == "shop.example 0.4");
}

TEST_CASE("whoever did not hear of their commit may ask again, and pays once") {
  Ledger ledger;
  auto const plan = ledger.plan("sms", 400'000);
  CHECK(ledger.dispatch_new(plan) == Clearance::go);
  CHECK(ledger.dispatch_new(plan) == Clearance::go);
  CHECK(spent(ledger) == "shop.example 0.4");
}

TEST_CASE("a message that another process is dispatching at this moment is waited for, and left to it") {
  Ledger ledger;
  auto const plan = ledger.plan("sms", 400'000);
  pqxx::connection rival{ledger.database.url_as("notify")};
  pqxx::connection observer{ledger.database.url()};
  auto const dispatch = [&](DeliveryPlan const& which) {
    return dispatch_new_deliveries(rival, {{which, {}}}, "b", lease, {}).front();
  };
  dispatch(ledger.plan());  // so that the statement is prepared, which it cannot be in a transaction
  pqxx::nontransaction{rival}.exec("BEGIN");
  REQUIRE(dispatch(plan) == Clearance::go);
  auto verdict = std::async(std::launch::async, [&] { return ledger.dispatch_new(plan); });
  omnibus::test::await_lock_wait(observer);
  pqxx::nontransaction{rival}.exec("COMMIT");
  CHECK(verdict.get() == Clearance::lost);
  CHECK(spent(ledger) == "shop.example 0.4");
}

TEST_CASE("deliveries are locked before what was spent, as by whoever records endings") {
  Ledger ledger;
  auto const plan = ledger.plan("sms", 400'000);
  REQUIRE(ledger.dispatch_new(plan) == Clearance::go);
  pqxx::connection rival{ledger.database.url_as("notify")};
  pqxx::connection observer{ledger.database.url()};
  pqxx::work ending{rival};
  ending.exec("UPDATE pipeline.delivery SET updated_at = now()");
  auto verdict = std::async(std::launch::async, [&] { return ledger.dispatch_new(plan, "b"); });
  omnibus::test::await_lock_wait(observer);
  ending.exec("UPDATE pipeline.spend SET spent = spent");  // neither waits for the other
  ending.commit();
  CHECK(verdict.get() == Clearance::lost);
}

TEST_CASE("nothing is planned for a person or a tenant that is not there or not active") {
  Ledger ledger;
  auto plan = ledger.plan();
  SUBCASE("no such person") {
    plan.profile_id = random_uuid();
  }
  SUBCASE("another tenant's person") {
    ledger.database.add_tenant("bank.example");
    plan.domain = "bank.example";
  }
  SUBCASE("a tenant that is not active") {
    ledger.value("UPDATE tenants SET status = 'suspended' WHERE domain = 'shop.example' RETURNING 'done'");
  }
  CHECK(ledger.dispatch_new(plan) == Clearance::lost);
  CHECK(deliveries(ledger) == "0");
}

TEST_CASE("new messages that may not go are claimed, so that they can end") {
  Ledger ledger;
  auto const plan = ledger.plan("sms", 2'000'000);
  SUBCASE("the tenant's cap is reached") {
    CHECK(ledger.dispatch_new(plan, "a", 1.0) == Clearance::capped);
  }
  SUBCASE("the person has sent STOP since") {
    ledger.value("UPDATE profiles SET sms_opt_out_at = now() RETURNING 'done'");
    CHECK(ledger.dispatch_new(plan) == Clearance::opted_out);
  }
  CHECK(ledger.state(plan) == "claimed 1");
  CHECK(ledger.end(plan, "skipped") == States{"skipped"});
}

TEST_CASE("the answer to STOP goes to who opted out only if the worker that obeyed wrote it into the log") {
  Ledger ledger;
  ledger.value("UPDATE profiles SET sms_opt_out_at = now() RETURNING 'done'");
  auto plan = ledger.plan();
  plan.kind = "opt_out";
  SUBCASE("it did") {
    ledger.ask_for(plan);
    CHECK(ledger.look(plan).kind == "opt_out");
    CHECK(ledger.dispatch_new(plan) == Clearance::go);
  }
  SUBCASE("it did not") {
    CHECK(ledger.look(plan).kind == "message");
    CHECK(ledger.dispatch_new(plan) == Clearance::opted_out);
  }
}

TEST_CASE("new messages that are dispatched together stop at their own tenant's cap, each with its own verdict") {
  Ledger ledger;
  ledger.database.add_tenant("bank.example");
  auto of_bank = ledger.plan("sms", 400'000);
  of_bank.domain = "bank.example";
  of_bank.profile_id = *parse_uuid(ledger.value(
      "INSERT INTO profiles (domain, phone_number) VALUES ('bank.example', '+250788123457') RETURNING id"));
  of_bank.session_id = {};
  auto const taken = ledger.plan("sms", 400'000);
  ledger.open(taken, "b");
  std::vector<NewDeparture> const departures{{taken, {}},
                                             {ledger.plan("sms", 400'000), {}},
                                             {of_bank, {}},
                                             {ledger.plan("sms", 400'000), {}},
                                             {ledger.plan("sms", 400'000), {}}};
  auto const verdicts = dispatch_new_deliveries(ledger.notify, departures, "a", lease, 1.0);
  CHECK(verdicts[0] == Clearance::lost);
  CHECK(verdicts[2] == Clearance::go);
  CHECK(std::ranges::count(verdicts, Clearance::go) == 3);
  CHECK(std::ranges::count(verdicts, Clearance::capped) == 1);
  CHECK(spent(ledger) == "bank.example 0.4, shop.example 0.8");
  CHECK(ledger.value("SELECT count(*) FROM pipeline.delivery WHERE state = 'dispatching'") == "3");
  CHECK(ledger.value("SELECT count(*) FROM pipeline.delivery WHERE state = 'claimed'") == "2");
}
