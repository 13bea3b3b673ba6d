// What becomes of a message in one attempt, by what its provider says and what the ledger knows.
#include "events/time.hpp"
#include "provider_peer.hpp"
#include "tests/common/postgres/database_fixture.hpp"
#include "workers/notify/deliverer.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

using namespace omnibus;
using namespace omnibus::notify;
using Kind = Outcome::Kind;

namespace {

constexpr auto domain = "shop.example";

/// Answers as it is told.
struct ToldProvider final : Provider {
  std::string_view name() const override { return "mtn_sms"; }
  std::string_view channel() const override { return "sms"; }
  Capabilities capabilities() const override { return abilities; }
  std::int64_t unit_price_micros() const override { return 0; }
  Task<std::optional<Refused>> await_turn(Message const&) override { co_return no_turn; }
  Task<SendResult> send(Message const&) override {
    ++sent;
    if (while_sending) while_sending();
    co_return answer;
  }
  Task<LookUp> look_up(Message const&, std::chrono::system_clock::time_point) override { co_return found; }

  Capabilities abilities{};
  std::optional<Refused> no_turn;
  SendResult answer = Accepted{"m1"};
  LookUp found{};
  std::function<void()> while_sending;
  int sent = 0;
};

NotifySettings quick() {
  NotifySettings settings;
  settings.claim_lease = std::chrono::seconds{45};
  return settings;
}

/// A database with a person in it, a provider, and as many workers as a test makes.
struct Desk {
  Desk() {
    database.add_tenant(domain);
    profile = *parse_uuid(value("INSERT INTO profiles (domain, phone_number) VALUES ('" + std::string{domain} +
                                "', '+250788123456') RETURNING id"));
    PoolSettings settings;
    settings.url = database.url_as("notify");
    settings.size = 2;
    pool.emplace(std::move(settings));
  }
  ~Desk() { pool->close(); }

  std::string value(std::string const& query) const {
    pqxx::connection admin{database.url()};
    return pqxx::nontransaction{admin}.query_value<std::string>(query);
  }
  std::string state() const { return value("SELECT state || ' ' || attempt FROM pipeline.delivery"); }

  Order order(std::chrono::milliseconds ago = {}) {
    Order order;
    order.plan.event_key = event_key;
    order.plan.effect_key = name_uuid(event_key, "sms");
    order.plan.request_source = "/test";
    order.plan.request_id = to_string(event_key);
    order.plan.domain = domain;
    order.plan.profile_id = profile;
    order.plan.channel = "sms";
    order.plan.provider = provider.name();
    order.plan.kind = "message";
    order.provider = &provider;
    order.text = "Your order is ready.";
    order.asked_ms = wall_clock_ms() - ago.count();
    return order;
  }

  Outcome deliver(Deliverer& deliverer, Order const& order, std::uint32_t tries = 1) {
    auto outcome = run(loop, deliverer.deliver(order, tries));
    deliverer.forget(order.plan.effect_key);  // as if it were written
    return outcome;
  }

  test::TestDatabase database;
  boost::asio::io_context loop{1};
  std::optional<TransactionPool> pool;
  ToldProvider provider;
  Uuid profile{};
  Uuid event_key = random_uuid();
};

Refused no_for_now(bool of_provider) {
  return {Refused::Kind::transient, "code", "no", std::chrono::seconds{7}, of_provider};
}

}  // namespace

TEST_CASE("what says nothing of the message puts it off, however often it was tried") {
  Desk desk;
  Deliverer worker{desk.loop, *desk.pool, quick()};
  SUBCASE("the provider as a whole refuses") {
    desk.provider.answer = no_for_now(true);
    auto const outcome = desk.deliver(worker, desk.order(), 1'000);
    CHECK(outcome.kind == Kind::later);
    CHECK(outcome.ending.state == "planned");
    CHECK(outcome.retry_after == std::chrono::seconds{7});
  }
  SUBCASE("its turn is too far off, or its breaker is open") {
    for (auto const of_provider : {false, true}) {
      desk.provider.no_turn = no_for_now(of_provider);
      auto const outcome = desk.deliver(worker, desk.order(), 1'000);
      CHECK(outcome.kind == Kind::later);
      CHECK(outcome.ending.state.empty());
      CHECK(desk.state() == "claimed 1");
    }
    CHECK(desk.provider.sent == 0);
  }
}

TEST_CASE("what was asked for too long ago fails instead of being put off, and says why") {
  for (auto const dispatched : {true, false}) {
    CAPTURE(dispatched);
    Desk desk;
    Deliverer worker{desk.loop, *desk.pool, quick()};
    if (dispatched)
      desk.provider.answer = no_for_now(true);
    else
      desk.provider.no_turn = no_for_now(false);
    CHECK(desk.deliver(worker, desk.order(std::chrono::hours{23})).kind == Kind::later);
    Desk late;
    Deliverer other{late.loop, *late.pool, quick()};
    late.provider.answer = desk.provider.answer;
    late.provider.no_turn = desk.provider.no_turn;
    auto const outcome = late.deliver(other, late.order(std::chrono::hours{25}));
    CHECK(outcome.kind == Kind::ended);
    CHECK(outcome.ending.state == "failed");
    CHECK(outcome.ending.error_class == "transient");
    CHECK(outcome.ending.reason == "given up after SEND_GIVE_UP_AFTER: no");
  }
}

TEST_CASE("a provider that is back takes what was asked for long ago") {
  Desk desk;
  Deliverer worker{desk.loop, *desk.pool, quick()};
  CHECK(desk.deliver(worker, desk.order(std::chrono::hours{25})).ending.state == "accepted");
}

TEST_CASE("a refusal of the message itself counts, and ends it after the last attempt") {
  Desk desk;
  Deliverer worker{desk.loop, *desk.pool, quick()};
  desk.provider.answer = no_for_now(false);
  CHECK(desk.deliver(worker, desk.order(), 5).kind == Kind::again);
  Desk last;
  Deliverer other{last.loop, *last.pool, quick()};
  last.provider.answer = no_for_now(false);
  CHECK(last.deliver(other, last.order(), 6).ending.state == "failed");
}
