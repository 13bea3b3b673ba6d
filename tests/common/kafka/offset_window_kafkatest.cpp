#include "kafka/offset_window.hpp"
#include "kafka/producer.hpp"
#include "tests/common/kafka/test_cluster.hpp"

#include <chrono>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::kafka;
using omnibus::test::TestCluster;

namespace {

constexpr Moment earliest{Moment::Kind::earliest, 0};
constexpr Moment now{Moment::Kind::now, 0};

Moment at(std::int64_t ms) {
  return {Moment::Kind::time, ms};
}

/// One record for each of these timestamps, on the topic's only partition.
void publish_at(TestCluster const& cluster, std::string const& topic, std::vector<std::int64_t> const& times) {
  auto const client = make_client(RD_KAFKA_PRODUCER, make_configuration(cluster.settings()));
  for (auto const ms : times) {
    auto const sent = rd_kafka_producev(client.get(), RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(0),
                                        RD_KAFKA_V_VALUE(nullptr, 0), RD_KAFKA_V_TIMESTAMP(ms), RD_KAFKA_V_END);
    REQUIRE(sent == RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  REQUIRE(rd_kafka_flush(client.get(), 30'000) == RD_KAFKA_RESP_ERR_NO_ERROR);
}

}  // namespace

TEST_CASE("a window from the earliest record until now is all that a topic holds, empty partitions included") {
  auto& cluster = TestCluster::instance();
  auto const topic = cluster.topic(3);
  Producer producer{cluster.settings()};
  for (int i = 0; i < 5; ++i) producer.produce({topic, "key", "value", {}, 1}, {});
  REQUIRE(producer.flush(std::chrono::seconds{30}));
  OffsetWindow window{cluster.settings()};
  CHECK(window.find({topic}, earliest, now) ==
        std::vector<OffsetRange>{{{topic, 0}, 0, 0}, {{topic, 1}, 0, 5}, {{topic, 2}, 0, 0}});
  CHECK_THROWS_AS(window.find({"no.such.topic"}, earliest, now), Error);
}

TEST_CASE("a window by time begins with the first record of that time and ends before the first of its end") {
  auto& cluster = TestCluster::instance();
  auto const topic = cluster.topic(1);
  OffsetWindow window{cluster.settings()};
  if (cluster.embedded()) {
    CHECK_THROWS_AS(window.find({topic}, at(1'700'000'000'000), now), Error);
    return;
  }
  // Near the present: Kafka refuses records of a far future, and forgets those of a far past.
  auto const present =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  auto const base = present - 3'600'000;
  publish_at(cluster, topic, {base, base + 1'000, base + 2'000, base + 3'000});
  auto const range = [&](Moment const& from, Moment const& to) {
    auto const found = window.find({topic}, from, to).at(0);
    return std::pair{found.from, found.to};
  };
  using Range = std::pair<std::int64_t, std::int64_t>;
  CHECK(range(at(base + 1'000), at(base + 3'000)) == Range{1, 3});
  CHECK(range(at(base + 1), at(base + 2'001)) == Range{1, 3});
  CHECK(range(at(base - 1'000'000), at(base + 1'000)) == Range{0, 1});
  CHECK(range(at(base + 3'000), now) == Range{3, 4});
  CHECK(range(at(base + 3'001), now) == Range{4, 4});
  CHECK(range(at(base + 1'000), at(present + 1'000'000)) == Range{1, 4});
}

TEST_CASE("a group's offsets are set before it has members, and read again") {
  auto& cluster = TestCluster::instance();
  auto const topic = cluster.topic(2);
  OffsetWindow window{cluster.settings(), cluster.unique("group")};
  CHECK(window.committed({{topic, 0}, {topic, 1}}) == std::vector<std::int64_t>{-1, -1});
  window.commit({{{topic, 1}, 7}});
  CHECK(window.committed({{topic, 0}, {topic, 1}}) == std::vector<std::int64_t>{-1, 7});
}
