// Several event loops in a process: order, stops and members of a group.
#include "tests/common/engine/running_loops.hpp"

#include <atomic>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::engine;
using namespace omnibus::engine::test;

namespace {

/// Whether each of so many keys has had the events 0, 1, 2, ... in this order, each once.
void check_keys(Journal& journal, int keys, int per_key) {
  auto const by_key = journal.by_key();
  CHECK(by_key.size() == static_cast<std::size_t>(keys));
  for (auto const& each : by_key) {
    auto const& key = each.first;
    auto const& handled = each.second;
    CAPTURE(key);
    CHECK(handled == numbers(per_key));
  }
}

}  // namespace

TEST_CASE("three loops handle every event once and those of one key in order, and a stop drains them all") {
  Broker broker;
  auto const topic = broker.topic(6);
  auto const group = "loops-" + topic;
  REQUIRE(publish(broker, numbered_events(topic, 60, 50)));
  Journal journal;
  std::mutex mutex;
  std::set<std::thread::id> threads;
  auto const handle = [&](Context& context) -> Task<> {
    auto waiting = pause(std::chrono::milliseconds{2});
    co_await std::move(waiting);
    journal.add(std::string{context.key()}, std::string{context.data()});
    std::scoped_lock const lock{mutex};
    threads.insert(std::this_thread::get_id());
  };
  EngineSettings settings;
  settings.max_in_flight = 24;
  for (auto const until : {500UL, 1500UL}) {
    RunningLoops loops{broker, 3, topic, group, handle, settings};
    REQUIRE(journal.wait_for_count(until));
    CHECK(loops.stop());
    CHECK(journal.count() < 3000);
  }
  threads.clear();
  RunningLoops last{broker, 3, topic, group, handle, settings};
  // A member that is alone at first reads the others' partitions until they have joined.
  auto rounds = 50;
  auto const all_have_work = [&] {
    std::scoped_lock const lock{mutex};
    return threads.size() == 3;
  };
  for (; !all_have_work() && rounds < 1000; ++rounds) {
    REQUIRE(publish(broker, numbered_events(topic, 60, 1, rounds)));
    REQUIRE(journal.wait_for_count(static_cast<std::size_t>(60 * (rounds + 1))));
  }
  CHECK(all_have_work());
  REQUIRE(journal.wait_for_count(static_cast<std::size_t>(60 * rounds)));
  CHECK(eventually([&] { return last.engines().sum(&Counters::partitions) == 6; }));
  CHECK(last.stop());
  CHECK(journal.count() == static_cast<std::size_t>(60 * rounds));
  check_keys(journal, 60, rounds);
}

TEST_CASE("partitions move between two processes of two loops without loss, repetition or disorder") {
  Broker broker;
  auto const topic = broker.topic(8);
  auto const group = "processes-" + topic;
  constexpr int keys = 64;
  constexpr int per_round = 5;
  Journal journal;
  auto const handle = [&](Context& context) -> Task<> {
    auto waiting = pause(std::chrono::milliseconds{3});
    co_await std::move(waiting);
    journal.add(std::string{context.key()}, std::string{context.data()});
  };
  EngineSettings settings;
  settings.max_in_flight = 16;
  auto rounds = 0;
  auto const feed = [&] {
    REQUIRE(publish(broker, numbered_events(topic, keys, per_round, rounds * per_round)));
    ++rounds;
    REQUIRE(journal.wait_for_count(static_cast<std::size_t>(keys * per_round * rounds)));
  };
  RunningLoops first{broker, 2, topic, group, handle, settings};
  feed();
  {
    RunningLoops second{broker, 2, topic, group, handle, settings};
    while (second.handled() < keys && rounds < 300) feed();
    CHECK(second.handled() >= keys);
    REQUIRE(publish(broker, numbered_events(topic, keys, per_round, rounds * per_round)));
    ++rounds;
    CHECK(second.stop());  // with events in flight on both
  }
  REQUIRE(journal.wait_for_count(static_cast<std::size_t>(keys * per_round * rounds)));
  feed();
  CHECK(first.stop());
  CHECK(journal.count() == static_cast<std::size_t>(keys * per_round * rounds));
  check_keys(journal, keys, per_round * rounds);
}

TEST_CASE("a stop is not clean while a handler of any loop still runs") {
  Broker broker;
  auto const topic = broker.topic(2);
  std::atomic<int> begun{0};
  EngineSettings settings;
  settings.drain_deadline = std::chrono::milliseconds{50};
  RunningLoops loops{broker,
                     2,
                     topic,
                     "stuck-" + topic,
                     [&](Context&) -> Task<> {
                       ++begun;
                       auto waiting = pause(std::chrono::minutes{10});
                       co_await std::move(waiting);
                     },
                     settings};
  REQUIRE(publish(broker, {event(topic, "key", 0)}));
  REQUIRE(eventually([&] { return begun > 0; }));
  CHECK_FALSE(loops.stop());
}
