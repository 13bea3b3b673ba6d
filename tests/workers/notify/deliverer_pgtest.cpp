// Two workers and one ledger in PostgreSQL.
#include "tests/common/postgres/database_fixture.hpp"
#include "tests/workers/notify/fake_providers.hpp"
#include "tests/workers/notify/run.hpp"
#include "workers/notify/deliverer.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <doctest/doctest.h>
#include <pqxx/pqxx>

using namespace omnibus;
using namespace omnibus::notify;
using Kind = Outcome::Kind;

namespace {

constexpr auto domain = "shop.example";

struct Process {
  Process(boost::asio::io_context& loop, TransactionPool& pool, NotifySettings const& settings)
      : store{loop, pool, settings}, deliverer{store, settings} {}

  PostgresDeliveries store;
  Deliverer deliverer;
};

/// A database with a person in it, a provider, and as many workers as a test makes.
struct SharedLedger {
  SharedLedger() {
    database.add_tenant(domain);
    profile = *parse_uuid(value("INSERT INTO profiles (domain, phone_number) VALUES ('" + std::string{domain} +
                                "', '+250788123456') RETURNING id"));
    PoolSettings settings;
    settings.url = database.url_as("notify");
    settings.size = 2;
    pool.emplace(std::move(settings));
  }
  ~SharedLedger() { pool->close(); }

  std::string value(std::string const& query) const {
    pqxx::connection admin{database.url()};
    return pqxx::nontransaction{admin}.query_value<std::string>(query);
  }
  std::string state() const { return value("SELECT state || ' ' || attempt FROM pipeline.delivery"); }

  Order order() {
    Order order;
    order.plan.event_key = random_uuid();
    order.plan.effect_key = name_uuid(order.plan.event_key, "sms");
    order.plan.request_source = "/test";
    order.plan.request_id = to_string(order.plan.event_key);
    order.plan.domain = domain;
    order.plan.profile_id = profile;
    order.plan.channel = "sms";
    order.plan.provider = carrier.name();
    order.plan.kind = "message";
    order.provider = &carrier;
    order.text = "Your order is ready.";
    return order;
  }
  Outcome deliver(Process& worker, Order const& order) { return run(loop, worker.deliverer.deliver(order, 1)); }

  omnibus::test::TestDatabase database;
  boost::asio::io_context loop{1};
  std::optional<TransactionPool> pool;
  notify::test::ProviderScript provider;
  notify::test::FakeProvider carrier{"sms", provider};
  Uuid profile{};
};

}  // namespace

TEST_CASE("what a live worker is sending is waited for, and the answer it leaves is taken from the ledger") {
  SharedLedger shared;
  Process sender{shared.loop, *shared.pool, {}};
  Process heir{shared.loop, *shared.pool, {}};
  auto const order = shared.order();
  std::string_view state = "accepted";
  SUBCASE("it was taken") {}
  SUBCASE("it was refused for good") {
    state = "failed";
    shared.provider.answer = Refused{Refused::Kind::permanent, "131026", "no WhatsApp"};
  }
  auto const outcome = shared.deliver(sender, order);
  REQUIRE(outcome.ending.state == state);
  CHECK(shared.state() == "dispatching 1");
  auto const waiting = shared.deliver(heir, order);
  CHECK(waiting.kind == Kind::later);
  CHECK(waiting.retry_after > std::chrono::seconds{40});
  boost::asio::co_spawn(shared.loop, sender.deliverer.leave({outcome}), boost::asio::detached);
  shared.loop.restart();
  shared.loop.run();
  auto const told = shared.deliver(heir, order);
  CHECK(told.kind == Kind::ended);
  CHECK(told.ending.effect_key == order.plan.effect_key);
  CHECK(told.ending.state == state);
  CHECK(told.ending.provider_message_id == outcome.ending.provider_message_id);
  CHECK(told.ending.error_code == outcome.ending.error_code);
  CHECK(told.ending.reason == outcome.ending.reason);
  CHECK(shared.provider.sent.size() == 1);
}

TEST_CASE("what a dead worker left on its way is sent again by another where its channel wants that") {
  SharedLedger shared;
  NotifySettings settings;
  settings.sms_delivery_policy = DeliveryPolicy::at_least_once;
  Process victim{shared.loop, *shared.pool, settings};
  Process heir{shared.loop, *shared.pool, settings};
  auto const order = shared.order();
  shared.deliver(victim, order);
  shared.value("UPDATE pipeline.delivery SET lease_until = now() RETURNING state");
  CHECK(shared.deliver(heir, order).ending.attempt == 2);
  CHECK(shared.state() == "dispatching 2");
  CHECK(shared.provider.sent.size() == 2);
}

TEST_CASE("a message that its provider turns out to have is accepted under an id that no other message has") {
  SharedLedger shared;
  shared.provider.abilities.look_up = true;
  Process victim{shared.loop, *shared.pool, {}};
  Process heir{shared.loop, *shared.pool, {}};
  auto const order = shared.order();
  shared.deliver(victim, order);
  shared.value("UPDATE pipeline.delivery SET lease_until = now() RETURNING state");
  shared.provider.found = {LookUp::State::accepted, {"m2"}, {}, true};
  auto const outcome = shared.deliver(heir, order);
  CHECK(outcome.ending.state == "accepted");
  CHECK(outcome.ending.provider_message_id == "m2");
  CHECK(shared.provider.sent.size() == 1);
}

TEST_CASE("a provider with equal messages is not believed: at most once, none is taken for another") {
  SharedLedger shared;
  shared.provider.abilities.look_up = true;
  NotifySettings settings;
  Process victim{shared.loop, *shared.pool, settings};
  Process heir{shared.loop, *shared.pool, settings};
  auto const lost = shared.order();
  shared.deliver(victim, lost);
  shared.provider.found = {LookUp::State::accepted, {"m1"}, {}, true};
  auto const tried = [&](std::uint32_t tries) {
    shared.value("UPDATE pipeline.delivery SET lease_until = now() WHERE domain = 'shop.example' RETURNING state");
    return run(shared.loop, heir.deliverer.deliver(lost, tries));
  };
  SUBCASE("another one to the same number is on its way, or in doubt") {
    std::string other = "dispatching";
    SUBCASE("on its way") {}
    SUBCASE("in doubt") {
      other = "in_doubt";
    }
    // Of another tenant, which shares the sender.
    shared.database.add_tenant("other.example");
    shared.value(
        "WITH p AS (INSERT INTO profiles (domain, phone_number) VALUES ('other.example', '+250788123456') RETURNING id)"
        " INSERT INTO pipeline.delivery (effect_key, event_key, request_source, request_id, domain, profile_id, "
        "channel,"
        " provider, kind, state, dispatched_at) SELECT gen_random_uuid(), gen_random_uuid(), '/t', '1', "
        "'other.example',"
        " id, 'sms', 'mtn_sms', 'message', '" +
        other + "', now() FROM p RETURNING state");
  }
  SUBCASE("the provider has two") {
    shared.provider.found.provider_message_ids = {"m1", "m2"};
  }
  CHECK(tried(1).kind == Kind::again);
  auto const last = tried(static_cast<std::uint32_t>(settings.send_max_attempts));
  CHECK(last.ending.state == "in_doubt");
  CHECK_FALSE(last.ending.provider_message_id);
  CHECK(shared.provider.sent.size() == 1);
}
