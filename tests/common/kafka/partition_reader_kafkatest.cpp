#include "kafka/partition_reader.hpp"
#include "kafka/producer.hpp"
#include "tests/common/kafka/test_cluster.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace {

using namespace omnibus;
using namespace std::chrono_literals;
using test::TestCluster;

void fill(std::string const& topic, int partition, int count) {
  kafka::Producer producer(TestCluster::instance().settings());
  for (int i = 0; i < count; ++i) producer.produce({topic, "k", std::to_string(i), {}, partition}, {});
  REQUIRE(producer.flush(10s));
}

std::vector<std::string> read(kafka::PartitionReader& reader, std::string const& topic, std::int64_t begin,
                              std::int64_t end, std::size_t enough = 1000) {
  std::vector<std::string> values;
  reader.read({topic, 1}, begin, end, [&](rd_kafka_message_t const& message) {
    values.emplace_back(static_cast<char const*>(message.payload), message.len);
    return values.size() < enough;
  });
  return values;
}

}  // namespace

TEST_CASE("a stretch of a partition is read from its begin to its end, again and again, and no further") {
  auto& cluster = TestCluster::instance();
  auto const topic = cluster.topic(2);
  fill(topic, 1, 10);
  kafka::PartitionReader reader(cluster.settings());
  CHECK(read(reader, topic, 0, 10).size() == 10);
  CHECK(read(reader, topic, 3, 5) == std::vector<std::string>{"3", "4"});
  CHECK(read(reader, topic, 3, 10, 2) == std::vector<std::string>{"3", "4"});
  CHECK(read(reader, topic, 8, 100) == std::vector<std::string>{"8", "9"});  // it ends before that
  CHECK(read(reader, topic, 5, 5).empty());
  CHECK_THROWS_AS(reader.read({topic, 1}, 0, 10, [](auto const&) -> bool { throw std::runtime_error("enough"); }),
                  std::runtime_error);
  CHECK(read(reader, topic, 0, 1) == std::vector<std::string>{"0"});
}

TEST_CASE("the first timestamp at each position is told, and none where there is no record") {
  auto& cluster = TestCluster::instance();
  auto const topic = cluster.topic(3);
  fill(topic, 1, 3);
  fill(topic, 2, 1);
  kafka::PartitionReader reader(cluster.settings(), 5s);
  auto const now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  auto const timestamps = reader.first_timestamps({
      {{topic, 2}, 0},
      {{topic, 0}, 0},
      {{topic, 1}, 2},
  });
  REQUIRE(timestamps.size() == 3);
  CHECK_FALSE(timestamps[1]);
  for (auto const index : {0U, 2U}) {
    REQUIRE(timestamps[index]);
    CHECK(std::abs(*timestamps[index] - now) < 60'000);
  }
  CHECK(reader.first_timestamps({}).empty());
}

TEST_CASE("a broker that does not answer is told in time") {
  kafka::ClientSettings nowhere;
  nowhere.brokers = "127.0.0.1:1";
  kafka::PartitionReader reader(nowhere, 300ms);
  CHECK_THROWS_AS(reader.read({"orders", 0}, 0, 1, [](auto const&) { return true; }), kafka::Error);
  auto const timestamps = reader.first_timestamps({{{"orders", 0}, 0}});
  CHECK_FALSE(timestamps.at(0));
}
