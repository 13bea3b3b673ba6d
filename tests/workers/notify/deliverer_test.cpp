// What becomes of a message in one attempt, by what its provider says and what the ledger knows.
#include "workers/notify/deliverer.hpp"

#include "tests/workers/notify/fake_deliveries.hpp"
#include "tests/workers/notify/fake_providers.hpp"
#include "tests/workers/notify/run.hpp"
#include "time/time.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::notify;
using namespace omnibus::notify::test;
using Kind = Outcome::Kind;

namespace {

constexpr auto domain = "shop.example";

/// One process: its claims are its own.
struct Process {
  Process(Deliveries& ledger, std::string claimant, NotifySettings const& settings)
      : store{ledger, std::move(claimant)}, deliverer{store, settings} {}

  FakeDeliveries store;
  Deliverer deliverer;
};

/// A ledger with a person in it, a provider, and as many workers as a test makes.
struct Desk {
  Desk() {
    ledger.tenants[domain] = true;
    ledger.people[profile].phone_number = "+250788123456";
  }

  Process worker(NotifySettings const& settings = {}, std::string claimant = "a") {
    return {ledger, std::move(claimant), settings};
  }
  std::string state() const {
    auto const& row = ledger.rows.begin()->second;
    return row.state + " " + std::to_string(row.attempt);
  }

  Order order(std::chrono::milliseconds ago = {}) {
    Order order;
    order.plan.event_key = event_key;
    order.plan.effect_key = name_uuid(event_key, "sms");
    order.plan.request_source = "/test";
    order.plan.request_id = to_string(event_key);
    order.plan.domain = domain;
    order.plan.profile_id = profile;
    order.plan.channel = "sms";
    order.plan.provider = carrier.name();
    order.plan.kind = "message";
    order.provider = &carrier;
    order.text = "Your order is ready.";
    order.asked_ms = wall_clock_ms() - ago.count();
    return order;
  }

  Outcome deliver(Process& worker, Order const& order, std::uint32_t tries = 1) {
    auto outcome = run(loop, worker.deliverer.deliver(order, tries));
    worker.deliverer.forget(order.plan.effect_key);  // as if it were written
    return outcome;
  }
  void leave(Process& worker, Outcome const& outcome) {
    boost::asio::co_spawn(loop, worker.deliverer.leave({outcome}), boost::asio::detached);
    loop.restart();
    loop.run();
  }

  Deliveries ledger;
  boost::asio::io_context loop{1};
  ProviderScript provider;
  FakeProvider carrier{"sms", provider};
  Uuid profile = random_uuid();
  Uuid event_key = random_uuid();
};

NotifySettings at_least_once() {
  NotifySettings settings;
  settings.sms_delivery_policy = DeliveryPolicy::at_least_once;
  return settings;
}

Refused no_for_now(bool of_provider) {
  return {Refused::Kind::transient, "code", "no", std::chrono::seconds{7}, of_provider};
}

}  // namespace

TEST_CASE("what says nothing of the message puts it off, however often it was tried") {
  Desk desk;
  auto worker = desk.worker();
  SUBCASE("the provider as a whole refuses") {
    desk.provider.answer = no_for_now(true);
    auto const outcome = desk.deliver(worker, desk.order(), 1'000);
    CHECK(outcome.kind == Kind::later);
    CHECK(outcome.ending.state == "planned");
    CHECK(outcome.retry_after == std::chrono::seconds{7});
  }
  SUBCASE("the provider takes no more for now") {
    desk.provider.answer = Refused{Refused::Kind::throttled, "code", "no", std::chrono::seconds{7}};
    auto const outcome = desk.deliver(worker, desk.order(), 1'000);
    CHECK(outcome.kind == Kind::later);
    CHECK(outcome.ending.state == "planned");
    CHECK(outcome.ending.error_class == "transient");
  }
  SUBCASE("its turn is too far off, or its breaker is open") {
    for (auto const of_provider : {false, true}) {
      desk.provider.no_turn = no_for_now(of_provider);
      auto const outcome = desk.deliver(worker, desk.order(), 1'000);
      CHECK(outcome.kind == Kind::later);
      CHECK(outcome.ending.state.empty());
      CHECK(desk.state() == "claimed 1");
    }
    CHECK(desk.provider.sent.empty());
  }
}

TEST_CASE("what was asked for too long ago fails instead of being put off, and says why") {
  for (auto const dispatched : {true, false}) {
    CAPTURE(dispatched);
    Desk desk;
    auto worker = desk.worker();
    if (dispatched)
      desk.provider.answer = no_for_now(true);
    else
      desk.provider.no_turn = no_for_now(false);
    CHECK(desk.deliver(worker, desk.order(std::chrono::hours{23})).kind == Kind::later);
    Desk late;
    auto other = late.worker();
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
  auto worker = desk.worker();
  CHECK(desk.deliver(worker, desk.order(std::chrono::hours{25})).ending.state == "accepted");
}

TEST_CASE("a refusal of the message itself counts, and ends it after the last attempt") {
  Desk desk;
  auto worker = desk.worker();
  desk.provider.answer = no_for_now(false);
  CHECK(desk.deliver(worker, desk.order(), 5).kind == Kind::again);
  Desk last;
  auto other = last.worker();
  last.provider.answer = no_for_now(false);
  CHECK(last.deliver(other, last.order(), 6).ending.state == "failed");
}

TEST_CASE("a message that can leave at once is first in the ledger when it is dispatched") {
  Desk desk;
  auto worker = desk.worker();
  auto planned = true;
  desk.provider.on_turn = [&] { planned = !desk.ledger.rows.empty(); };
  desk.provider.on_send = [&] { CHECK(desk.state() == "dispatching 1"); };
  CHECK(desk.deliver(worker, desk.order()).ending.state == "accepted");
  CHECK_FALSE(planned);
}

TEST_CASE("a message that waits for its turn, or ends without leaving, is in the ledger") {
  Desk desk;
  auto worker = desk.worker();
  auto order = desk.order();
  order.pause = [](auto) -> Task<> { co_return; };
  SUBCASE("it waits, and then leaves") {
    desk.provider.wait = std::chrono::seconds{1};
    desk.provider.on_wait = [&] { CHECK(desk.state() == "claimed 1"); };
    CHECK(desk.deliver(worker, order).ending.state == "accepted");
    return;
  }
  SUBCASE("it may not wait so long") {
    desk.provider.no_turn = no_for_now(true);
    CHECK(desk.deliver(worker, order).kind == Kind::later);
  }
  SUBCASE("its person wants none") {
    desk.ledger.people[desk.profile].sms_opt_out = true;
    CHECK(desk.deliver(worker, order).ending.state == "skipped");
  }
  SUBCASE("its tenant has spent all") {
    order.plan.cost_micros = 2;
    desk.ledger.cap_micros = 1;
    CHECK(desk.deliver(worker, order).ending.state == "skipped");
  }
  SUBCASE("its channel has no provider") {
    order.provider = nullptr;
    CHECK(desk.deliver(worker, order).ending.state == "skipped");
  }
  CHECK(desk.state() == "claimed 1");
  CHECK(desk.provider.sent.empty());
}

TEST_CASE("a message that another worker dispatched after this one had looked at it is left to it") {
  Desk desk;
  auto worker = desk.worker();
  auto order = desk.order(std::chrono::hours{48});
  order.pause = [](auto) -> Task<> { co_return; };
  SUBCASE("before this one would have dispatched it") {}
  SUBCASE("before this one waits for its turn") {
    desk.provider.wait = std::chrono::seconds{1};
  }
  SUBCASE("before this one gives it up") {
    desk.provider.no_turn = no_for_now(true);
  }
  desk.provider.on_turn = [&] {
    desk.ledger.rows[order.plan.effect_key] = {order.plan, "dispatching", 1, false, "b", false, {}, {}, {}};
  };
  auto const outcome = desk.deliver(worker, order);
  CHECK(outcome.kind == Kind::later);
  CHECK(outcome.ending.state.empty());
  CHECK(desk.provider.sent.empty());
  CHECK(desk.state() == "dispatching 1");
}

TEST_CASE("a message whose dispatch failed is in the ledger, and is sent later") {
  Desk desk;
  auto worker = desk.worker();
  desk.ledger.refuse_next_dispatch = true;
  CHECK_THROWS_AS(desk.deliver(worker, desk.order()), Failure);
  CHECK(desk.state() == "claimed 1");
  CHECK(desk.deliver(worker, desk.order()).ending.state == "accepted");
}

TEST_CASE("a message whose tenant is suspended before it waits for its turn is not planned") {
  Desk desk;
  auto worker = desk.worker();
  auto order = desk.order();
  order.pause = [](auto) -> Task<> { co_return; };
  desk.provider.wait = std::chrono::seconds{1};
  desk.provider.on_turn = [&] { desk.ledger.tenants[domain] = false; };
  CHECK_THROWS_WITH(desk.deliver(worker, order), "the tenant is not active");
  CHECK(desk.ledger.rows.empty());
  CHECK(desk.provider.sent.empty());
}

TEST_CASE("a message whose dispatch was committed unheard is sent by who dispatched it") {
  Desk desk;
  auto worker = desk.worker();
  desk.ledger.lose_next_commit = true;
  CHECK_THROWS_AS(desk.deliver(worker, desk.order()), Failure);
  CHECK(desk.state() == "dispatching 1");
  CHECK(desk.deliver(worker, desk.order()).ending.state == "accepted");
  CHECK(desk.provider.sent.size() == 1);
}

TEST_CASE("what a live worker is sending is waited for, and the answer it leaves is taken from the ledger") {
  Desk desk;
  auto sender = desk.worker();
  auto heir = desk.worker(at_least_once(), "heir");
  auto const order = desk.order();
  std::string_view state = "accepted";
  SUBCASE("it was taken") {}
  SUBCASE("it was refused for good") {
    state = "failed";
    desk.provider.answer = Refused{Refused::Kind::permanent, "131026", "no WhatsApp"};
  }
  SUBCASE("it was refused for now") {
    state = "planned";
    desk.provider.answer = no_for_now(false);
  }
  auto const outcome = desk.deliver(sender, order);
  REQUIRE(outcome.ending.state == state);
  auto const waiting = desk.deliver(heir, order, 1'000);
  CHECK(waiting.kind == Kind::later);
  CHECK(waiting.ending.state.empty());
  CHECK(waiting.retry_after > std::chrono::seconds{40});
  desk.leave(sender, outcome);
  auto const told = desk.deliver(heir, order);
  CHECK(told.kind == (state == "planned" ? Kind::later : Kind::ended));
  CHECK(told.ending.effect_key == order.plan.effect_key);
  CHECK(told.ending.state == state);
  CHECK(told.ending.provider_message_id == outcome.ending.provider_message_id);
  CHECK(told.ending.error_code == outcome.ending.error_code);
  CHECK(told.ending.reason == outcome.ending.reason);
  CHECK(desk.provider.sent.size() == 1);
}

TEST_CASE("a worker that stood still for so long that its send may outlast its lease sends nothing") {
  Desk desk;
  NotifySettings settings;
  settings.claim_lease = settings.send.deadline;  // so that any time at all is too long
  auto worker = desk.worker(settings);
  auto const outcome = desk.deliver(worker, desk.order(), 1'000);
  CHECK(outcome.kind == Kind::later);
  CHECK(outcome.ending.error_code == "too_late");
  CHECK(desk.provider.sent.empty());
}

TEST_CASE("what a crash leaves in doubt keeps its words, so that an operator can have it sent again") {
  Desk desk;
  auto victim = desk.worker();
  auto heir = desk.worker({}, "heir");
  auto order = desk.order();
  desk.deliver(victim, order);
  desk.ledger.end_leases();
  SUBCASE("nobody can tell") {}
  SUBCASE("its provider could not tell") {
    desk.provider.abilities.look_up = true;
  }
  SUBCASE("it was sent again too often") {
    desk.provider.abilities.honours_key = true;
  }
  SUBCASE("it may not be sent any more") {
    order.expires_ms = 1;
  }
  std::string_view state = "in_doubt";
  std::uint32_t tries = 6;
  SUBCASE("it is not sent again after all") {
    state = "skipped";  // which the ledger, not knowing of the first attempt, turns into doubt
    tries = 1;
    desk.provider.abilities.honours_key = true;
    order.expires_ms = 1;
  }
  auto const outcome = desk.deliver(heir, order, tries);
  CHECK(outcome.ending.state == state);
  CHECK(outcome.ending.content == "Your order is ready.");
}
