// Tenants and partitions that have much waiting, beside others that have little.
#include "tests/common/engine/engine_fixture.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <string>

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace omnibus;
using namespace omnibus::engine;
using namespace omnibus::engine::test;
using namespace std::chrono_literals;

namespace {

kafka::Record event_of(std::string const& topic, std::string const& tenant, std::string const& key, int number,
                       std::size_t text = 0) {
  auto const data = fmt::format(R"({{"domain":"{}","number":{},"text":"{}"}})", tenant, number, noise(text));
  return to_binary_record(originate("/test", "omnibus.test.v1"), data, topic, key);
}

std::string number_of(Context& context) {
  auto const data = context.data();
  auto const begin = data.find("\"number\":") + 9;
  return std::string{data.substr(begin, data.find(',', begin) - begin)};
}

struct Flood {
  std::string topic;
  std::string tenant = "flood.example";
  int keys = 1;
  int per_key = 1;
  std::size_t text = 0;

  void publish(Broker& broker) const {
    kafka::Producer producer{broker.client};
    for (int number = 0; number < per_key; ++number)
      for (int key = 0; key < keys; ++key)
        producer.produce(event_of(topic, tenant, fmt::format("key-{}", key), number, text), {});
    REQUIRE(producer.flush(30s));
  }
};

void check_all(Journal& journal, int keys, int per_key) {
  for (int key = 0; key < keys; ++key) {
    CAPTURE(key);
    CHECK(journal.by_key()[fmt::format("key-{}", key)] == numbers(per_key));
  }
}

}  // namespace

TEST_CASE("large events of one session do not delay another tenant's event, although they fill the memory") {
  Broker broker;
  auto const topic = broker.topic(1);
  Flood{.topic = topic, .per_key = 64, .text = 64'000}.publish(broker);
  Journal journal;
  EngineSettings settings;
  settings.max_in_flight = 4;
  settings.max_queued_bytes = 1 << 20;
  settings.commit_interval = 50ms;
  std::atomic<std::int64_t> most{0};
  RunningEngine engine{broker, topic, "session-" + topic,
                       [&](Context& context) -> Task<> {
                         if (context.key() != "neighbour") {
                           auto waiting = pause(100ms);
                           co_await std::move(waiting);
                         }
                         most = std::max(most.load(), engine.counters().queued_bytes.load());
                         journal.add(std::string{context.key()}, number_of(context));
                       },
                       settings};
  REQUIRE(journal.wait_for_count(3));
  REQUIRE(publish(broker, {event_of(topic, "other.example", "neighbour", 0)}));
  REQUIRE(eventually([&] { return !journal.by_key()["neighbour"].empty(); }));
  CHECK(journal.count() < 50);
  REQUIRE(journal.wait_for_count(65));
  engine.stop();
  CHECK(engine.counters().records_reread > 0);
  CHECK(engine.counters().records_missed == 0);
  check_all(journal, 1, 64);
}

TEST_CASE("a backlog of one tenant does not delay another tenant's event, although it takes all places") {
  Broker broker;
  auto const topic = broker.topic(3);
  Flood{.topic = topic, .keys = 4'000, .per_key = 1}.publish(broker);
  Journal journal;
  EngineSettings settings;
  settings.max_in_flight = 8;
  RunningEngine engine{broker, topic, "backlog-" + topic,
                       [&](Context& context) -> Task<> {
                         auto waiting = pause(20ms);  // ten seconds for all
                         co_await std::move(waiting);
                         journal.add(std::string{context.key()}, number_of(context));
                       },
                       settings};
  REQUIRE(journal.wait_for_count(100));
  REQUIRE(publish(broker, {event_of(topic, "other.example", "neighbour", 0)}));
  REQUIRE(eventually([&] { return !journal.by_key()["neighbour"].empty(); }));
  CHECK(journal.count() < 3'000);
  engine.stop();
}

TEST_CASE("handlers that need much memory run few at a time, and another tenant's event does not wait for them") {
  Broker broker;
  auto const topic = broker.topic(1);
  Flood{.topic = topic, .keys = 100}.publish(broker);
  Journal journal;
  std::atomic<bool> hold{true};
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  EngineSettings settings;
  settings.max_in_flight = 64;
  settings.max_working_bytes = 1 << 20;
  RunningEngine engine{broker, topic, "memory-" + topic,
                       [&](Context& context) -> Task<> {
                         if (context.key() != "neighbour") {
                           context.work_in(100'000);
                           most = std::max(most.load(), ++running);
                           while (hold) {
                             auto waiting = pause(1ms);
                             co_await std::move(waiting);
                           }
                           --running;
                         }
                         journal.add(std::string{context.key()}, number_of(context));
                       },
                       settings};
  REQUIRE(eventually([&] { return running == 5; }));
  REQUIRE(publish(broker, {event_of(topic, "other.example", "neighbour", 0)}));
  REQUIRE(journal.wait_for_count(1));
  CHECK(journal.by_key()["neighbour"].size() == 1);
  hold = false;
  REQUIRE(journal.wait_for_count(101));
  engine.stop();
  CHECK(most <= 6);  // and one that gave way just then
  CHECK(engine.counters().working_bytes == 0);
}

TEST_CASE("events of a slow channel delay neither another channel's nor those without one") {
  Broker broker;
  auto const topic = broker.topic(1);
  auto const publish_all = [&](std::string const& channel, int count) {
    kafka::Producer producer{broker.client};
    for (int number = 0; number < count; ++number)
      producer.produce(
          to_binary_record(originate("/test", "omnibus.test.v1"),
                           fmt::format(R"({{"domain":"shop.example","channels":["{}"],"number":0,"x":0}})", channel),
                           topic, fmt::format("{}-{}", channel, number)),
          {});
    REQUIRE(producer.flush(30s));
  };
  publish_all("slow", 400);
  Journal journal;
  std::atomic<bool> hold{true};
  std::atomic<int> slow{0};
  EngineSettings settings;
  settings.max_in_flight = 8;
  auto const wait_aside = [&](Context& context) -> Task<> {
    ++slow;
    context.step_aside();
    while (hold) {
      auto waiting = pause(1ms);
      co_await std::move(waiting);
    }
    context.step_back();
    --slow;
  };
  RunningEngine engine{broker, topic, "channels-" + topic,
                       std::make_unique<RoutedWork>([&](Context& context) -> Task<> {
                         if (context.key().starts_with("slow")) {
                           auto waiting = wait_aside(context);
                           co_await std::move(waiting);
                         }
                         journal.add(std::string{context.key()}, "0");
                       }),
                       settings};
  REQUIRE(eventually([&] { return slow == 8; }));
  publish_all("fast", 40);
  REQUIRE(publish(broker, {event_of(topic, "shop.example", "receipt", 0)}));
  REQUIRE(journal.wait_for_count(41));
  CHECK(slow == 8);  // all that one route may have
  CHECK(journal.by_key()["receipt"].size() == 1);
  hold = false;
  REQUIRE(journal.wait_for_count(441));
  engine.stop();
  CHECK(journal.count() == 441);
}

TEST_CASE("events that are dropped from memory and read again are handled once and in order, by changing members") {
  Broker broker;
  auto const topic = broker.topic(4);
  auto const group = "reread-" + topic;
  constexpr int keys = 40;
  constexpr int per_key = 20;
  Flood{.topic = topic, .keys = keys, .per_key = per_key, .text = 3'000}.publish(broker);
  Journal journal;
  auto const handle = [&](Context& context) -> Task<> {
    auto waiting = pause(2ms);
    co_await std::move(waiting);
    journal.add(std::string{context.key()}, number_of(context));
  };
  EngineSettings settings;
  settings.max_in_flight = 8;
  settings.max_queued_bytes = 200'000;
  settings.commit_interval = 50ms;
  std::uint64_t reread = 0;
  {
    RunningEngine first{broker, topic, group, handle, settings};
    REQUIRE(journal.wait_for_count(200));
    RunningEngine second{broker, topic, group, handle, settings};
    REQUIRE(journal.wait_for_count(400));
    first.stop();
    reread += first.counters().records_reread + second.counters().records_reread;
  }
  RunningEngine last{broker, topic, group, handle, settings};
  REQUIRE(journal.wait_for_count(keys * per_key));
  last.stop();
  CHECK(reread > 0);
  CHECK(journal.count() == keys * per_key);
  check_all(journal, keys, per_key);
}

TEST_CASE("a partition with too much waiting is paused alone, and read on once half of it is done") {
  Broker broker;
  auto const topic = broker.topic(2);
  {
    kafka::Producer producer{broker.client};
    for (int number = 0; number < 20'000; ++number) {
      auto record = event_of(topic, "flood.example", "key-0", number);
      record.partition = 0;
      producer.produce(record, {});
    }
    REQUIRE(producer.flush(30s));
  }
  Journal journal;
  std::atomic<bool> hold{true};
  EngineSettings settings;
  settings.max_queued_bytes = 8 << 20;  // a quarter of it is some 11,000 deliveries
  settings.commit_interval = 10ms;
  RunningEngine engine{broker, topic, "share-" + topic,
                       [&](Context& context) -> Task<> {
                         while (hold && context.key() == "key-0") {
                           auto waiting = pause(1ms);
                           co_await std::move(waiting);
                         }
                         journal.add(std::string{context.key()}, number_of(context));
                       },
                       settings};
  REQUIRE(eventually([&] { return engine.counters().partitions_paused == 1; }));
  auto neighbour = event_of(topic, "other.example", "neighbour", 0);
  neighbour.partition = 1;
  REQUIRE(publish(broker, {neighbour}));
  REQUIRE(eventually([&] { return !journal.by_key()["neighbour"].empty(); }));
  CHECK(engine.counters().queued < 20'000);
  hold = false;
  REQUIRE(journal.wait_for_count(20'001));
  engine.stop();
  CHECK(journal.count() == 20'001);
  check_all(journal, 1, 20'000);
}

TEST_CASE("records that are removed before they are read again are counted, and what comes after them is handled") {
  Broker broker;
  if (broker.embedded() == nullptr) return;  // which keeps 5 MiB of a partition
  auto const topic = broker.topic(1);
  auto const group = "missed-" + topic;
  Flood{.topic = topic, .per_key = 60, .text = 64'000}.publish(broker);
  Journal journal;
  std::atomic<bool> hold{true};
  EngineSettings settings;
  settings.max_queued_bytes = 1 << 20;
  settings.commit_interval = 10ms;
  RunningEngine engine{broker, topic, group,
                       [&](Context& context) -> Task<> {
                         while (hold) {
                           auto waiting = pause(1ms);
                           co_await std::move(waiting);
                         }
                         journal.add(std::string{context.key()}, number_of(context));
                       },
                       settings};
  REQUIRE(eventually([&] { return engine.counters().queued >= 59; }));
  Flood{.topic = topic, .tenant = "other.example", .keys = 100, .per_key = 1, .text = 64'000}.publish(broker);
  REQUIRE(eventually([&] { return engine.counters().queued >= 100; }));
  hold = false;
  REQUIRE(publish(broker, {event_of(topic, "flood.example", "key-0", 60)}));
  REQUIRE(eventually([&] {
    auto const handled = journal.by_key()["key-0"];
    return !handled.empty() && handled.back() == "60";
  }));
  CHECK(engine.counters().records_missed > 0);
  REQUIRE(eventually([&] { return engine.counters().uncommitted == 0; }));
  engine.stop();
}
