#include "kafka/consumer.hpp"
#include "kafka/producer.hpp"
#include "tests/common/kafka/test_cluster.hpp"

#include <chrono>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace {

using namespace omnibus;
using test::TestCluster;

kafka::ConsumerSettings own_group(std::string const& topic, kafka::GroupProtocol protocol) {
  kafka::ConsumerSettings settings;
  settings.group = TestCluster::instance().unique("group");
  settings.topics = {topic};
  settings.protocol = protocol;
  return settings;
}

/// A member of a group of its own that counts what it is given.
struct Member : kafka::ConsumerListener {
  Member(std::string const& topic, kafka::GroupProtocol protocol)
      : consumer{TestCluster::instance().settings(), own_group(topic, protocol), *this} {}
  void on_assigned(std::vector<kafka::Position> given) override { assigned = assigned || !given.empty(); }
  void on_revoked(std::vector<kafka::TopicPartition> gone) override { consumer.release(gone); }
  void on_lost(std::vector<kafka::TopicPartition>) override {}
  void on_committed(rd_kafka_resp_err_t, std::vector<kafka::Position>) override {}
  void on_error(kafka::Error const&) override {}

  std::size_t poll(bool want_messages) {
    consumer.wait(std::chrono::milliseconds{5});
    auto const count = consumer.poll(messages, want_messages);
    for (std::size_t i = 0; i < count; ++i) messages[i].reset();
    return count;
  }

  bool assigned = false;
  std::vector<kafka::Message> messages = std::vector<kafka::Message>(1000);
  kafka::Consumer consumer;
};

}  // namespace

TEST_CASE("who wants no messages is given none, the first of each partition included") {
  auto& cluster = TestCluster::instance();
  constexpr std::size_t count = 2'000;
  auto const topic = cluster.topic(16);
  kafka::Producer producer{cluster.settings()};
  for (std::size_t i = 0; i < count; ++i)
    producer.produce({topic, std::to_string(i), std::string(100, 'x'), {}, {}}, {});
  REQUIRE(producer.flush(std::chrono::seconds{30}));
  auto const protocol = kafka::probe_cluster(cluster.settings(), std::chrono::seconds{10}).group_protocol();

  Member waiting{topic, protocol};
  while (!waiting.assigned) REQUIRE(waiting.poll(false) == 0);
  // For as long as another takes to join and to be given everything.
  Member other{topic, protocol};
  for (std::size_t given = 0; given < count; given += other.poll(true)) REQUIRE(waiting.poll(false) == 0);
  for (std::size_t given = 0; given < count;) given += waiting.poll(true);
}
