// A table that somebody holds locked is no event's fault.
#include "tests/common/engine/database_engine.hpp"

#include <atomic>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::engine;
using namespace omnibus::engine::test;

namespace {

Task<> write_soon_or_not(Context& context) {
  auto committing = context.commit([write = effect_of(context)](UnitOfWork& unit) {
    unit.transaction().exec("SET LOCAL lock_timeout = '10ms'");
    write(unit);
  });
  co_await std::move(committing);
}

}  // namespace

TEST_CASE("a table locked for longer than any attempt lasts parks nothing, and is written to when it is free") {
  EngineSettings settings;
  settings.recoverability.max_attempts = 1;
  Broker broker;
  EffectDatabase const database;
  auto const topic = broker.topic(1);
  pqxx::connection admin{database.url()};
  pqxx::work holding{admin};
  holding.exec("LOCK TABLE effects");
  REQUIRE(publish(broker, numbered_events(topic, 2, 3)));
  DatabaseEngine engine{broker, database.url_as("chat"), topic, "locked-" + topic, each(write_soon_or_not), settings};
  REQUIRE(eventually([&] { return engine.counters().outages >= 4 || engine.counters().dead_lettered != 0; }));
  holding.abort();
  CHECK(database.await_effects(6));
  engine.stop();
  CHECK(engine.counters().dead_lettered == 0);
  CHECK(engine.counters().retried == 0);
  for (auto const& [key, values] : database.by_key()) CHECK(values == numbers(3));
}

TEST_CASE("one event whose row is locked, or whose right is missing, keeps nobody waiting and is not parked") {
  Broker broker;
  EffectDatabase const database;
  database.execute(
      "CREATE TABLE rows (id int PRIMARY KEY); INSERT INTO rows VALUES (1); GRANT ALL ON rows TO omnibus_chat;"
      "CREATE TABLE others_only (id int)");
  auto const topic = broker.topic(1);
  pqxx::connection admin{database.url()};
  pqxx::work holding{admin};
  holding.exec("SELECT 1 FROM rows FOR UPDATE");
  auto const handle = [](Context& context) -> Task<> {
    auto const key = std::string{context.key()};
    auto committing = context.commit([key, write = effect_of(context)](UnitOfWork& unit) {
      if (key == "locked") unit.transaction().exec("UPDATE rows SET id = 1");
      if (key == "refused") unit.transaction().exec("INSERT INTO others_only VALUES (1)");
      write(unit);
    });
    co_await std::move(committing);
  };
  EngineSettings settings;
  settings.recoverability.max_attempts = 1;
  std::vector<kafka::Record> events{event(topic, "locked", 0), event(topic, "refused", 0)};
  for (auto const& each : numbered_events(topic, 4, 50)) events.push_back(each);
  REQUIRE(publish(broker, events));
  DatabaseEngine engine{broker, database.url_as("chat"), topic, "own-" + topic, each(handle), settings};
  CHECK(database.await_effects(200, std::chrono::seconds{15}));
  // From now on the others are answered, and these two pause nothing.
  int number = 50;
  auto const outages = [&] { return engine.counters().outages.load(); };
  auto const publish_more = [&] {
    REQUIRE(publish(broker, numbered_events(topic, 4, 1, number)));
    ++number;
    REQUIRE(database.await_effects(4 * number, std::chrono::seconds{10}));
  };
  auto const deferred = engine.counters().deferred.load();
  REQUIRE(eventually([&] {
    publish_more();
    return engine.counters().deferred >= deferred + 2;
  }));
  auto const before = outages();
  for (int i = 0; i < 20; ++i) publish_more();
  CHECK(outages() - before <= 2);
  holding.abort();
  database.execute("GRANT ALL ON others_only TO omnibus_chat");
  CHECK(database.await_effects(4 * number + 2));
  engine.stop();
  CHECK(engine.counters().dead_lettered == 0);
}

TEST_CASE("a database that is slow for every event parks none") {
  Broker broker;
  EffectDatabase const database;
  auto const topic = broker.topic(1);
  std::atomic<bool> slow{true};
  auto const handle = [&](Context& context) -> Task<> {
    auto committing = context.commit([&, write = effect_of(context)](UnitOfWork& unit) {
      if (slow) unit.transaction().exec("SET LOCAL statement_timeout = '20ms'; SELECT pg_sleep(10)");
      write(unit);
    });
    co_await std::move(committing);
  };
  EngineSettings settings;
  settings.recoverability.max_attempts = 10;
  settings.recoverability.base_delay = std::chrono::milliseconds{20};
  settings.recoverability.longest_delay = std::chrono::milliseconds{100};
  REQUIRE(publish(broker, numbered_events(topic, 20, 1)));
  DatabaseEngine engine{broker, database.url_as("chat"), topic, "slow-" + topic, each(handle), settings};
  REQUIRE(eventually([&] { return engine.counters().outages >= 10 || engine.counters().dead_lettered != 0; }));
  slow = false;
  CHECK(database.await_effects(20));
  engine.stop();
  CHECK(engine.counters().dead_lettered == 0);
}

TEST_CASE("an event that is slow alone is parked") {
  Broker broker;
  EffectDatabase const database;
  auto const topic = broker.topic(1);
  auto const handle = [](Context& context) -> Task<> {
    auto committing = context.commit([slow = context.key() == "slow", write = effect_of(context)](UnitOfWork& unit) {
      if (slow) unit.transaction().exec("SET LOCAL statement_timeout = '20ms'; SELECT pg_sleep(10)");
      write(unit);
    });
    co_await std::move(committing);
  };
  EngineSettings settings;
  settings.recoverability.max_attempts = 6;
  settings.recoverability.base_delay = std::chrono::milliseconds{1};
  REQUIRE(publish(broker, {event(topic, "slow", 0)}));
  DatabaseEngine engine{broker, database.url_as("chat"), topic, "slow-alone-" + topic, each(handle), settings};
  CHECK(eventually([&] { return engine.counters().dead_lettered == 1; }));
}

TEST_CASE(
    "who waits for a row that somebody holds gives the connection back after a second, not at the session's limit") {
  Broker broker;
  EffectDatabase const database;
  database.execute(
      "CREATE TABLE rows (id int PRIMARY KEY); INSERT INTO rows VALUES (1); GRANT ALL ON rows TO omnibus_chat");
  auto const topic = broker.topic(1);
  pqxx::connection admin{database.url()};
  pqxx::work holding{admin};
  holding.exec("SELECT 1 FROM rows FOR UPDATE");
  std::atomic<bool> begun{false};
  auto const handle = [&](Context& context) -> Task<> {
    begun = true;
    auto committing = context.commit([write = effect_of(context)](UnitOfWork& unit) {
      unit.transaction().exec("UPDATE rows SET id = 1");
      write(unit);
    });
    co_await std::move(committing);
  };
  REQUIRE(publish(broker, {event(topic, "locked", 0)}));
  DatabaseEngine engine{broker, database.url_as("chat"), topic, "wait-" + topic, each(handle), EngineSettings{}};
  REQUIRE(eventually([&] { return begun.load(); }));
  auto const since = Clock::now();
  REQUIRE(eventually([&] { return engine.counters().outages + engine.counters().deferred > 0; }));
  CHECK(Clock::now() - since < std::chrono::seconds{10});
  holding.abort();
  CHECK(database.await_effects(1));
  engine.stop();
}
