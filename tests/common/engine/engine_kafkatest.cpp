// Order, stops, members of a group and memory.
#include "tests/common/engine/engine_fixture.hpp"

#include <algorithm>
#include <atomic>
#include <random>
#include <string>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::engine;
using namespace omnibus::engine::test;

TEST_CASE("every record is handled once, those of one key in order, many keys at once") {
  Broker broker;
  auto const topic = broker.topic(6);
  REQUIRE(publish(broker, numbered_events(topic, 50, 40)));
  Journal journal;
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  std::mt19937 random{7};
  RunningEngine engine{broker, topic, "order-" + topic, [&](Context& context) -> Task<> {
                         most = std::max(most.load(), ++running);
                         auto waiting = pause(std::chrono::microseconds{random() % 2000});
                         co_await std::move(waiting);
                         --running;
                         journal.add(std::string{context.key()}, std::string{context.data()});
                       }};
  REQUIRE(journal.wait_for_count(2000));
  engine.stop();
  CHECK(journal.count() == 2000);
  for (auto const& each : journal.by_key()) {
    auto const& key = each.first;
    auto const& handled = each.second;
    CAPTURE(key);
    CHECK(handled == numbers(40));
  }
  CHECK(most > 10);
}

TEST_CASE("a clean stop under load redelivers nothing and loses nothing") {
  Broker broker;
  auto const topic = broker.topic(6);
  auto const group = "stop-" + topic;
  REQUIRE(publish(broker, numbered_events(topic, 40, 50)));
  Journal journal;
  auto const handle = [&](Context& context) -> Task<> {
    auto waiting = pause(std::chrono::milliseconds{2});
    co_await std::move(waiting);
    journal.add(std::string{context.key()}, std::string{context.data()});
  };
  EngineSettings settings;
  settings.max_in_flight = 16;
  for (auto const until : {300UL, 900UL}) {
    RunningEngine engine{broker, topic, group, handle, settings};
    REQUIRE(journal.wait_for_count(until));
    engine.stop();
    CHECK(journal.count() < 2000);
  }
  RunningEngine last{broker, topic, group, handle, settings};
  REQUIRE(journal.wait_for_count(2000));
  last.stop();
  CHECK(journal.count() == 2000);
  for (auto const& each : journal.by_key()) {
    auto const& key = each.first;
    auto const& handled = each.second;
    CAPTURE(key);
    CHECK(handled == numbers(50));
  }
}

TEST_CASE("a second member takes over partitions without loss, repetition or disorder") {
  Broker broker;
  auto const topic = broker.topic(8);
  auto const group = "members-" + topic;
  constexpr int keys = 64;
  constexpr int per_round = 5;
  Journal journal;
  auto const handle = [&](Context& context) -> Task<> {
    auto waiting = pause(std::chrono::milliseconds{3});
    co_await std::move(waiting);
    journal.add(std::string{context.key()}, std::string{context.data()});
  };
  EngineSettings settings;
  settings.max_in_flight = 8;
  RunningEngine first{broker, topic, group, handle, settings};
  REQUIRE(publish(broker, numbered_events(topic, keys, per_round)));
  REQUIRE(journal.wait_for_count(keys));
  RunningEngine second{broker, topic, group, handle, settings};
  // The load goes on until the second has its share, however long the group takes.
  auto rounds = 1;
  for (; second.counters().handled < keys && rounds < 300; ++rounds) {
    REQUIRE(publish(broker, numbered_events(topic, keys, per_round, rounds * per_round)));
    REQUIRE(journal.wait_for_count(static_cast<std::size_t>(keys * per_round * rounds)));
  }
  auto const total = static_cast<std::size_t>(keys * per_round * rounds);
  REQUIRE(journal.wait_for_count(total));
  CHECK(second.counters().handled >= keys);
  second.stop();
  first.stop();
  CHECK(journal.count() == total);
  for (auto const& each : journal.by_key()) {
    auto const& key = each.first;
    auto const& handled = each.second;
    CAPTURE(key);
    CHECK(handled == numbers(per_round * rounds));
  }
}

TEST_CASE("a member that gets a partition back reads on in it") {
  Broker broker;
  auto const topic = broker.topic(8);
  auto const group = "back-" + topic;
  constexpr int keys = 64;
  Journal journal;
  auto const handle = [&](Context& context) -> Task<> {
    journal.add(std::string{context.key()}, std::string{context.data()});
    co_return;
  };
  RunningEngine first{broker, topic, group, handle};
  REQUIRE(publish(broker, numbered_events(topic, keys, 1)));
  REQUIRE(journal.wait_for_count(keys));  // it has read in every partition
  auto rounds = 1;
  for (auto member = 0; member < 2; ++member) {
    RunningEngine second{broker, topic, group, handle};
    for (auto const until = rounds + 300; second.counters().handled == 0 && rounds < until; ++rounds) {
      REQUIRE(publish(broker, numbered_events(topic, keys, 1, rounds)));
      REQUIRE(journal.wait_for_count(static_cast<std::size_t>(keys * (rounds + 1))));
    }
    CHECK(second.counters().handled > 0);
    second.stop();
    REQUIRE(publish(broker, numbered_events(topic, keys, 1, rounds++)));
    REQUIRE(journal.wait_for_count(static_cast<std::size_t>(keys * rounds)));
  }
  first.stop();
  for (auto const& each : journal.by_key()) {
    auto const& key = each.first;
    auto const& handled = each.second;
    CAPTURE(key);
    CHECK(handled == numbers(rounds));
  }
}

TEST_CASE("no more than the byte limit is held in memory while handlers are slow") {
  Broker broker;
  auto const topic = broker.topic(2);
  REQUIRE(publish(broker, numbered_events(topic, 400, 10)));
  Journal journal;
  std::atomic<bool> hold{true};
  std::atomic<std::int64_t> most{0};
  EngineSettings settings;
  settings.max_in_flight = 4;
  settings.max_queued_bytes = 64 << 10;
  settings.commit_interval = std::chrono::milliseconds{10};
  RunningEngine engine{broker, topic, "bytes-" + topic,
                       [&](Context& context) -> Task<> {
                         while (hold) {
                           auto waiting = pause(std::chrono::milliseconds{1});
                           co_await std::move(waiting);
                         }
                         most = std::max(most.load(), engine.counters().queued_bytes.load());
                         journal.add(std::string{context.key()}, std::string{context.data()});
                       },
                       settings};
  REQUIRE(eventually([&] { return engine.counters().queued_bytes >= (64 << 10); }));
  hold = false;
  REQUIRE(journal.wait_for_count(4000));
  engine.stop();
  // One batch of the poll thread, and what came with the assignment, may lie above the limit.
  CHECK(most < (64 << 10) + 4096 * 800);
  CHECK(journal.count() == 4000);
}

TEST_CASE("behind a record that does not end much is done, and after a crash little of it comes again") {
  Broker broker;
  auto const topic = broker.topic(1);
  auto const group = "ahead-" + topic;
  REQUIRE(publish(broker, numbered_events(topic, 1, 1)));  // of the key that gets stuck
  {
    kafka::Producer producer{broker.client};
    for (int number = 0; number < 6'000; ++number)
      producer.produce(event(topic, "other-" + std::to_string(number % 50), number), {});
    REQUIRE(producer.flush(std::chrono::seconds{30}));
  }
  Journal first;
  auto const stick = [&](Context& context) -> Task<> {
    if (context.key() == "key-0") {
      auto waiting = pause(std::chrono::hours{1});
      co_await std::move(waiting);
    }
    first.add(std::string{context.key()}, std::string{context.data()});
  };
  {
    RunningEngine engine{broker, topic, group, stick};
    REQUIRE(first.wait_for_count(6'000));
    // The first commit that is answered may have been sent before the last of them ended; the second was not.
    for (auto const count : {6'001UL, 6'002UL}) {
      auto const commits = engine.counters().commits.load();
      kafka::Producer producer{broker.client};
      producer.produce(event(topic, "other", static_cast<int>(count)), {});
      REQUIRE(first.wait_for_count(count));
      REQUIRE(eventually([&] { return engine.counters().commits != commits; }));
    }
    engine.crash();
  }
  Journal second;
  RunningEngine engine{broker, topic, group, [&](Context& context) -> Task<> {
                         second.add(std::string{context.key()}, std::string{context.data()});
                         co_return;
                       }};
  REQUIRE(publish(broker, numbered_events(topic, 1, 1, 1)));
  REQUIRE(eventually([&] { return second.by_key()["key-0"].size() >= 2; }));
  engine.stop();
  CHECK(second.by_key()["key-0"] == numbers(2));
  CHECK(second.count() <= 1'002);
}

TEST_CASE("a call that costs money is awaited, although it takes longer than the drain deadline") {
  struct CallingWork : FunctionWork {
    using FunctionWork::FunctionWork;
    std::chrono::milliseconds longest_call() const override { return std::chrono::seconds{2}; }
  };
  Broker broker;
  auto const topic = broker.topic(1);
  REQUIRE(publish(broker, numbered_events(topic, 1, 1)));
  Journal journal;
  std::atomic<bool> asked{false};
  EngineSettings settings;
  settings.drain_deadline = std::chrono::milliseconds{10};
  auto const handle = [&](Context& context) -> Task<> {
    asked = true;
    auto waiting = pause(std::chrono::milliseconds{500});
    co_await std::move(waiting);
    journal.add(std::string{context.key()}, "");
  };
  RunningEngine engine{broker, topic, "calling-" + topic, std::make_unique<CallingWork>(handle), settings};
  REQUIRE(eventually([&] { return asked.load(); }));
  engine.stop();
  CHECK(journal.count() == 1);
}
