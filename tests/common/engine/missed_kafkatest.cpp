// Records that are gone before they are read, and logs that begin again.
#include "observability/metrics.hpp"
#include "tests/common/engine/engine_fixture.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

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

/// Each record in a transaction of its own, every third of which is aborted. A log keeps offsets for the ends of
/// transactions, which no consumer gets to see.
void publish_in_transactions(Broker const& broker, std::vector<kafka::Record> const& records) {
  auto configuration = kafka::make_configuration(broker.client);
  kafka::set_option(configuration.get(), "transactional.id", to_string(random_uuid()));
  auto const client = kafka::make_client(RD_KAFKA_PRODUCER, std::move(configuration));
  REQUIRE(rd_kafka_init_transactions(client.get(), 30'000) == nullptr);
  for (std::size_t i = 0; i < records.size(); ++i) {
    auto const& record = records[i];
    REQUIRE(rd_kafka_begin_transaction(client.get()) == nullptr);
    auto* const headers = rd_kafka_headers_new(record.headers.size());
    for (auto const& [name, value] : record.headers)
      rd_kafka_header_add(headers, name.data(), -1, value->data(), static_cast<ssize_t>(value->size()));
    std::array<rd_kafka_vu_t, 5> fields{};
    fields[0].vtype = RD_KAFKA_VTYPE_TOPIC;
    fields[0].u.cstr = record.topic.c_str();
    fields[1].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
    fields[1].u.i = RD_KAFKA_MSG_F_COPY;
    // Both are only read; librdkafka's interface has no const.
    fields[2].vtype = RD_KAFKA_VTYPE_KEY;
    fields[2].u.mem = {const_cast<char*>(record.key->data()), record.key->size()};
    fields[3].vtype = RD_KAFKA_VTYPE_VALUE;
    fields[3].u.mem = {const_cast<char*>(record.value->data()), record.value->size()};
    fields[4].vtype = RD_KAFKA_VTYPE_HEADERS;
    fields[4].u.headers = headers;
    REQUIRE(rd_kafka_produceva(client.get(), fields.data(), fields.size()) == nullptr);
    REQUIRE(rd_kafka_flush(client.get(), 30'000) == RD_KAFKA_RESP_ERR_NO_ERROR);
    auto* const end = i % 3 == 2 ? rd_kafka_abort_transaction : rd_kafka_commit_transaction;
    REQUIRE(end(client.get(), 30'000) == nullptr);
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

TEST_CASE("offsets without a record between those of others are not missed") {
  Broker broker;
  if (broker.embedded() != nullptr) return;  // its logs have none
  auto const topic = broker.topic(1);
  auto const group = "transactions-" + topic;
  publish_in_transactions(broker, numbered_events(topic, 1, 30));
  Journal journal;
  EngineSettings settings;
  settings.commit_interval = std::chrono::milliseconds{10};
  RunningEngine engine{broker, topic, group,
                       [&](Context& context) -> Task<> {
                         journal.add(std::string{context.key()}, std::string{context.data()});
                         co_return;
                       },
                       settings};
  REQUIRE(journal.wait_for_count(20));
  REQUIRE(publish(broker, {event(topic, "key-0", 30)}));
  REQUIRE(journal.wait_for_count(21));
  REQUIRE(eventually([&] { return committed(broker, group, topic) == 61; }));  // each of the 30 has an end behind it
  engine.stop();
  CHECK(journal.count() == 21);
  CHECK(engine.counters().records_missed == 0);
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
