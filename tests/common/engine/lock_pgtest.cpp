// A table that somebody holds locked is no event's fault.
#include "tests/common/engine/database_engine.hpp"

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
