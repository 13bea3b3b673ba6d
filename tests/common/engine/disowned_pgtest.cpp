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

TEST_CASE("what was paid for is kept although its partition has another owner, who finds it") {
  Broker broker;
  EffectDatabase const database;
  auto const topic = broker.topic(2);
  auto const group = "disowned-" + topic;
  auto const kept = [&](Context& context) {
    return database.number("SELECT count(*) FROM effects WHERE key = '" + std::string{context.key()} + "'");
  };
  std::atomic<int> asking{0};
  std::atomic<bool> answered{false};
  std::atomic<std::int64_t> found{-1};
  auto const ask = [&](Context& context) -> Task<> {
    ++asking;
    while (!answered) {
      auto waiting = pause(std::chrono::milliseconds{1});
      co_await std::move(waiting);
    }
    auto keeping = context.keep("answer", effect_of(context));
    co_await std::move(keeping);
  };
  auto const look = [&](Context& context) -> Task<> {
    answered = true;
    for (int i = 0; i < 1'000 && kept(context) == 0; ++i) {
      auto waiting = pause(std::chrono::milliseconds{10});
      co_await std::move(waiting);
    }
    found = kept(context);
    auto keeping = context.keep("answer", effect_of(context));
    co_await std::move(keeping);
    auto committing = context.commit([](UnitOfWork&) {});
    co_await std::move(committing);
  };
  EngineSettings settings;
  settings.drain_deadline = std::chrono::milliseconds{10};
  std::vector<kafka::Record> events{event(topic, "one", 0), event(topic, "other", 0)};
  for (std::int32_t partition : {0, 1}) events.at(static_cast<std::size_t>(partition)).partition = partition;
  REQUIRE(publish(broker, events));
  DatabaseEngine owner{broker, database.url_as("chat"), topic, group, each(ask), settings};
  REQUIRE(eventually([&] { return asking == 2; }));
  DatabaseEngine next{broker, database.url_as("chat"), topic, group, each(look), settings};
  REQUIRE(eventually([&] { return found >= 0; }));
  CHECK(found == 1);
  CHECK(eventually([&] { return next.counters().handled == 1; }));
  next.stop();
  owner.stop();
  CHECK(database.effects() == 2);
}

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
