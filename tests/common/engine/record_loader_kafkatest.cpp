#include "engine/dispatch/lane.hpp"
#include "engine/record_loader.hpp"
#include "tests/common/engine/engine_fixture.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace omnibus;
using namespace omnibus::engine;
using namespace omnibus::engine::test;
using namespace std::chrono_literals;

namespace {

/// A topic whose records are known, and a loader for it.
struct Shelf {
  explicit Shelf(int partitions, int records, std::size_t size = 0) : topic{broker.topic(partitions)} {
    kafka::Producer producer{broker.client};
    for (int i = 0; i < records; ++i) {
      auto record = event(topic, fmt::format("key-{}", i), i);
      record.partition = i % partitions;
      record.value = fmt::format("{} {}", i, noise(size));
      producer.produce(record, {});
    }
    REQUIRE(producer.flush(30s));
    kafka::PartitionReader reader{broker.client};
    for (int partition = 0; partition < partitions; ++partition) {
      kafka::TopicPartition const where{topic, partition};
      reader.read(where, 0, records, [&](auto const& message) {
        places.push_back({where, lane_salt(where), lane_of(lane_salt(where), message), message.offset,
                          kafka::timestamp_ms(message)});
        return true;
      });
    }
  }

  std::vector<Reread> read(std::vector<RecordPlace> const& wanted) {
    std::optional<std::vector<Reread>> answer;
    RecordLoader loader{loop, broker.client};
    loader.read(wanted, [&](std::vector<Reread> records) { answer = std::move(records); });
    auto const guard = boost::asio::make_work_guard(loop);
    while (!answer) loop.run_one();
    loader.stop();
    return std::move(*answer);
  }

  Broker broker;
  std::string topic;
  std::vector<RecordPlace> places;
  boost::asio::io_context loop{1};
};

}  // namespace

TEST_CASE("records of several partitions are read again, each to its place") {
  Shelf shelf{3, 3'000};
  std::vector<RecordPlace> wanted;
  for (std::size_t i = 0; i < shelf.places.size(); i += 7) wanted.push_back(shelf.places[i]);
  std::ranges::reverse(wanted);
  auto const read = shelf.read(wanted);
  REQUIRE(read.size() == wanted.size());
  for (std::size_t i = 0; i < read.size(); ++i) {
    REQUIRE(read[i].kind == Reread::Kind::read);
    CHECK(read[i].record.offset() == wanted[i].offset);
    CHECK(read[i].record.timestamp_ms() == wanted[i].timestamp_ms);
    std::size_t headers = 0;
    read[i].record.for_each_header([&](auto, auto) { ++headers; });
    CHECK(headers > 3);
  }
}

TEST_CASE("another record in the place of one that was consumed is not taken for it") {
  Shelf shelf{1, 5};
  auto wanted = shelf.places;
  wanted[1].key_hash += 1;
  wanted[3].timestamp_ms += 1;
  auto const read = shelf.read(wanted);
  for (std::size_t i = 0; i < 5; ++i)
    CHECK(read[i].kind == (i == 1 || i == 3 ? Reread::Kind::gone : Reread::Kind::read));
}

TEST_CASE("records that retention has removed are gone, and those behind them are read") {
  Shelf shelf{1, 40, 64'000};
  if (shelf.broker.embedded() == nullptr) return;  // which keeps 5 MiB of a partition
  for (int i = 0; i < 60; ++i) {
    auto record = event(shelf.topic, "more", i);
    record.value = noise(64'000);
    REQUIRE(publish(shelf.broker, {record}));
  }
  auto const read = shelf.read(shelf.places);
  CHECK(read.front().kind == Reread::Kind::gone);
  CHECK(read.back().kind == Reread::Kind::read);
}

TEST_CASE("a record behind the end of the log is not called gone at once: a new leader may not know it yet") {
  Shelf shelf{1, 5};
  auto beyond = shelf.places.back();
  beyond.offset += 100;
  auto const read = shelf.read({shelf.places.front(), beyond});
  CHECK(read[0].kind == Reread::Kind::read);
  CHECK(read[1].kind == Reread::Kind::failed);
}

TEST_CASE("a topic that cannot be read does not keep the loader from reading another") {
  Shelf shelf{2, 10};
  auto wanted = shelf.places;
  for (auto& each : wanted)
    if (each.where.partition == 0) each.where.partition = 7;  // there is none
  auto const read = shelf.read(wanted);
  for (std::size_t i = 0; i < wanted.size(); ++i)
    CHECK(read[i].kind == (wanted[i].where.partition == 7 ? Reread::Kind::failed : Reread::Kind::read));
}
