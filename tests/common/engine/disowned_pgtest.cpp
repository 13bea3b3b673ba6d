// A partition that has another owner by now.
#include "tests/common/engine/database_engine.hpp"

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::engine;
using namespace omnibus::engine::test;

TEST_CASE("the answer to a commit that was sent before does not tell whether a partition is still ours") {
  Broker broker;
  if (broker.embedded() == nullptr) return;
  EffectDatabase const database;
  auto const topic = broker.topic(1);
  std::atomic<bool> go{false};
  auto const handle = [&](Context& context) -> Task<> {
    while (context.key() == "key-1" && !go) {
      auto waiting = pause(std::chrono::milliseconds{1});
      co_await std::move(waiting);
    }
    auto committing = context.commit(effect_of(context));
    co_await std::move(committing);
  };
  EngineSettings settings;
  settings.commit_interval = std::chrono::milliseconds{10};
  DatabaseEngine engine{broker, database.url_as("chat"), topic, "asked-" + topic, each(handle), settings};
  REQUIRE(publish(broker, {event(topic, "key-0", 0)}));
  REQUIRE(eventually([&] { return engine.counters().commits > 0; }));
  broker.embedded()->set_round_trip(std::chrono::milliseconds{400});
  REQUIRE(publish(broker, numbered_events(topic, 2, 1, 1)));
  REQUIRE(database.await_effects(2));
  std::this_thread::sleep_for(std::chrono::milliseconds{100});  // the commit is under way: nothing says so
  auto const begun = Clock::now();
  constexpr std::int16_t offset_commit = 8;
  broker.embedded()->fail_next(offset_commit, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, 2);
  database.execute("UPDATE pipeline.fence SET epoch = epoch + 1");
  go = true;
  REQUIRE(database.await_effects(3));
  // Two questions were refused, and the third one was answered.
  CHECK(Clock::now() - begun > std::chrono::milliseconds{1'000});
  engine.stop();
}
