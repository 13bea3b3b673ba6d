// Receipts count for the tenant to whose sender they came, in a migrated database.
#include "tests/workers/notify/ledger_fixture.hpp"

using namespace omnibus;
using namespace omnibus::notify;
using namespace omnibus::notify::test;

namespace {

/// A message that is on its way, from a sender of the tenant or from that of the settings.
DeliveryPlan on_its_way(Ledger& ledger, bool own_sender) {
  auto plan = ledger.plan();
  if (own_sender) plan.sender_id = random_uuid();
  ledger.open(plan);
  ledger.dispatch(plan);
  return plan;
}

std::optional<Moved> report(Ledger& ledger, DeliveryPlan const& plan, std::optional<std::string> tenant) {
  DeliveryReceiptReceived receipt{plan.provider, "delivered", "2026-11-20T12:00:00Z"};
  receipt.provider_message_id = "m1";
  receipt.effect_key = to_string(plan.effect_key);
  receipt.domain = std::move(tenant);
  std::optional<Moved> moved;
  ledger.in_unit([&](UnitOfWork& unit) { moved = ledger.store.receive(unit, receipt); });
  return moved;
}

}  // namespace

TEST_CASE("a receipt of another tenant's sender moves nothing, whatever key it has") {
  Ledger ledger;
  ledger.database.add_tenant("other.example");
  for (auto const own_sender : {true, false}) {
    auto const plan = on_its_way(ledger, own_sender);
    CHECK_FALSE(report(ledger, plan, "other.example"));
    CHECK(ledger.state(plan) == "dispatching 1");
    REQUIRE(report(ledger, plan, domain));
    CHECK(ledger.state(plan) == "delivered 1");
  }
}

TEST_CASE("a receipt of a tenant's sender is not kept for a message that another tenant may get") {
  Ledger ledger;
  auto plan = ledger.plan();
  CHECK_FALSE(report(ledger, plan, domain));
  CHECK(ledger.value("SELECT count(*) FROM pipeline.delivery_receipt") == "0");
  CHECK_FALSE(report(ledger, plan, {}));
  CHECK(ledger.value("SELECT count(*) FROM pipeline.delivery_receipt") == "1");
}

TEST_CASE("a receipt of the sender of the settings counts for what went out from there") {
  Ledger ledger;
  auto const own = on_its_way(ledger, true);
  CHECK_FALSE(report(ledger, own, {}));
  CHECK(ledger.state(own) == "dispatching 1");
  auto const shared = on_its_way(ledger, false);
  CHECK(report(ledger, shared, {}));
  CHECK(ledger.state(shared) == "delivered 1");
}

TEST_CASE("the ledger knows the sender of an attempt, and of the next one another") {
  Ledger ledger;
  auto plan = ledger.plan();
  plan.sender_id = random_uuid();
  CHECK_FALSE(ledger.look(plan).sender_id);
  CHECK(ledger.open(plan).sender_id == plan.sender_id);
  ledger.dispatch_for_too_long(plan);
  auto other = plan;
  other.sender_id = random_uuid();
  CHECK(claim_again(ledger.notify, other, 1, "b", lease));
  CHECK(ledger.look(plan).sender_id == other.sender_id);
}
