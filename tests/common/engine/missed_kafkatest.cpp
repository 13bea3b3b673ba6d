// Records that are gone before they are read, and logs that begin again.
#include "observability/metrics.hpp"
#include "tests/common/engine/engine_fixture.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::engine;
using namespace omnibus::engine::test;

namespace {

/// More than the embedded broker keeps of a partition: 5 MiB.
void publish_more_than_is_kept(Broker& broker, std::string const& topic, int first) {
  for (int number = first; number < first + 12; ++number) {
    auto large = event(topic, "large", number);
    large.value = noise(1 << 20);
    REQUIRE(publish(broker, {large}));
  }
}

double missed_metric(std::string const& topic) {
  return Metrics::process().counter<Metric::records_missed>(topic).value();
}

}  // namespace

TEST_CASE("records that retention removed while no worker ran are counted, by topic") {
  Broker broker;
  if (broker.embedded() == nullptr) return;  // it keeps 5 MiB of a partition
  auto const topic = broker.topic(1);
  auto const group = "missed-" + topic;
  Journal journal;
  auto const handle = [&](Context& context) -> Task<> {
    journal.add(std::string{context.key()}, "");
    co_return;
  };
  REQUIRE(publish(broker, {event(topic, "first", 0)}));
  {
    RunningEngine engine{broker, topic, group, handle};
    REQUIRE(journal.wait_for_count(1));
    engine.stop();
    CHECK(engine.counters().records_missed == 0);
  }
  publish_more_than_is_kept(broker, topic, 1);
  RunningEngine engine{broker, topic, group, handle};
  REQUIRE(eventually([&] { return engine.counters().records_missed > 0; }));
  auto const missed = engine.counters().records_missed.load();
  REQUIRE(journal.wait_for_count(13 - missed));
  engine.stop();
  CHECK(journal.count() + missed == 13);
  CHECK(engine.counters().records_missed == missed);
  CHECK(missed_metric(topic) == static_cast<double>(missed));
}

TEST_CASE("records that retention removes faster than a worker reads are counted") {
  Broker broker;
  if (broker.embedded() == nullptr) return;
  auto const topic = broker.topic(1);
  Journal journal;
  std::atomic<bool> hold{true};
  EngineSettings settings;
  settings.max_queued_bytes = 1 << 20;
  auto const handle = [&](Context& context) {
    while (hold) std::this_thread::sleep_for(std::chrono::milliseconds{1});
    journal.add(std::string{context.key()}, "");
  };
  RunningEngine engine{broker, topic, "slow-" + topic, std::make_unique<ImmediateWork>(handle), settings};
  REQUIRE(publish(broker, {event(topic, "first", 0)}));
  for (int first = 0; first < 36; first += 12) publish_more_than_is_kept(broker, topic, first);
  hold = false;
  REQUIRE(eventually([&] { return engine.counters().records_missed + journal.count() == 37; }));
  engine.stop();
  CHECK(engine.counters().records_missed > 0);
  CHECK(engine.counters().records_reread == 0);
  CHECK(missed_metric(topic) == static_cast<double>(engine.counters().records_missed));
}

TEST_CASE("a log that begins again is handled from there in the order of its keys, and committed") {
  Broker broker;
  if (broker.embedded() == nullptr) return;
  auto const topic = broker.topic(1);
  auto const group = "again-" + topic;
  REQUIRE(publish(broker, numbered_events(topic, 1, 10)));
  Journal journal;
  std::atomic<bool> hold_fifth{true};
  std::atomic<bool> hold_third{false};
  EngineSettings settings;
  settings.commit_interval = std::chrono::milliseconds{10};
  RunningEngine engine{broker, topic, group,
                       [&](Context& context) -> Task<> {
                         auto const number = std::string{context.data()};
                         while ((number == "5" && hold_fifth) || (number == "3" && hold_third)) {
                           auto waiting = pause(std::chrono::milliseconds{1});
                           co_await std::move(waiting);
                         }
                         journal.add(std::string{context.key()}, number);
                       },
                       settings};
  REQUIRE(journal.wait_for_count(5));
  REQUIRE(eventually([&] { return engine.counters().queued == 4; }));
  REQUIRE(eventually([&] { return committed(broker, group, topic) == 5; }));
  // As after a log is cut off, or a topic made anew: the broker refuses the position, and reading begins at 0.
  hold_third = true;
  constexpr std::int16_t fetch = 1;
  broker.embedded()->fail_next(fetch, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE);
  REQUIRE(eventually([&] { return engine.counters().queued >= 10; }));
  hold_fifth = false;
  REQUIRE(journal.wait_for_count(9));
  REQUIRE(eventually([&] { return committed(broker, group, topic) == 3; }));
  hold_third = false;
  REQUIRE(publish(broker, {event(topic, "key-0", 10)}));
  REQUIRE(journal.wait_for_count(17));
  REQUIRE(eventually([&] { return committed(broker, group, topic) == 11; }));
  engine.stop();
  auto expected = numbers(6);
  for (auto const& each : numbers(11)) expected.push_back(each);
  CHECK(journal.by_key().at("key-0") == expected);
}
