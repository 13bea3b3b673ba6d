#include "engine/commit/outbox_publisher.hpp"
#include "tests/common/engine/engine_fixture.hpp"
#include "tests/common/engine/topic_reader.hpp"

#include <numeric>
#include <unordered_set>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::engine;
using namespace omnibus::engine::test;

namespace {

constexpr std::int16_t produce_api = 0;

postgres::OutboxRow row_of(std::string const& topic, int number) {
  postgres::OutboxRow row;
  row.record = {topic, "key", std::to_string(number), {}, {}};
  return row;
}

/// The numbers in the order in which each was seen first: one whose acknowledgement was lost comes again.
std::vector<int> first_seen(std::vector<kafka::Record> const& records) {
  std::vector<int> order;
  std::unordered_set<int> seen;
  for (auto const& record : records)
    if (auto const number = std::stoi(record.value.value()); seen.insert(number).second) order.push_back(number);
  return order;
}

}  // namespace

TEST_CASE("rows that failed with their connection go before any later one") {
  Broker broker;
  if (broker.embedded() == nullptr) return;  // no other broker fails when it is told to
  auto const topic = broker.topic(1);
  kafka::Producer producer{broker.client};
  boost::asio::io_context loop;
  OutboxPublisher publisher{loop, producer, nullptr};
  auto count = 0;
  auto const publish = [&] {
    for (auto const end = count + 50; count < end; ++count) publisher.publish({row_of(topic, count)});
  };
  // The loop stands still meanwhile: nobody has told the publisher of the failures.
  for (auto round = 0; round < 3; ++round) {
    broker.embedded()->fail_next(produce_api, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    auto const generation = producer.generation();
    publish();
    REQUIRE(eventually([&] { return producer.generation() > generation; }));
  }
  publish();
  auto const draining = [&]() -> Task<> {
    auto drain = publisher.drain(Clock::now() + std::chrono::minutes{1});
    CHECK(co_await std::move(drain));
  };
  boost::asio::co_spawn(loop, draining(), boost::asio::detached);
  loop.run();
  std::vector<int> expected(static_cast<std::size_t>(count));
  std::iota(expected.begin(), expected.end(), 0);
  auto const all = read_until(broker, topic, [&](auto const& records) { return first_seen(records) == expected; });
  CHECK(first_seen(all) == expected);
}
