#include "kafka/consumer.hpp"
#include "kafka/producer.hpp"
#include "tests/common/kafka/test_cluster.hpp"

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace {

using namespace omnibus;
using test::TestCluster;

kafka::ConsumerSettings member_of(std::string group, std::string const& topic, kafka::GroupProtocol protocol) {
  kafka::ConsumerSettings settings;
  settings.group = std::move(group);
  settings.topics = {topic};
  settings.protocol = protocol;
  return settings;
}

/// A member of a group, by default of a new one, that keeps what it is given.
struct Member : kafka::ConsumerListener {
  Member(std::string const& topic, kafka::GroupProtocol protocol,
         std::string name = TestCluster::instance().unique("group"))
      : group{std::move(name)},
        consumer{TestCluster::instance().settings(), member_of(group, topic, protocol), *this} {}
  void on_assigned(std::vector<kafka::Position> given) override {
    assigned = assigned || !given.empty();
    beginning = std::move(given);
  }
  void on_revoked(std::vector<kafka::TopicPartition> gone) override { consumer.release(gone); }
  void on_lost(std::vector<kafka::TopicPartition>) override {}
  void on_committed(rd_kafka_resp_err_t error, std::vector<kafka::Position> positions) override {
    commit_error = error;
    answered = std::move(positions);
  }
  void on_error(kafka::Error const&) override {}

  std::size_t poll(bool want_messages) {
    consumer.wait(std::chrono::milliseconds{5});
    auto const count = consumer.poll(messages, want_messages);
    for (std::size_t i = 0; i < count; ++i) messages[i].reset();
    return count;
  }

  std::string group;
  bool assigned = false;
  std::vector<kafka::Position> beginning;
  rd_kafka_resp_err_t commit_error = RD_KAFKA_RESP_ERR_NO_ERROR;
  std::vector<kafka::Position> answered;
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

TEST_CASE("a commit that is refused says of which positions it was") {
  auto& cluster = TestCluster::instance();
  auto const topic = cluster.topic(1);
  auto const protocol = kafka::probe_cluster(cluster.settings(), std::chrono::seconds{10}).group_protocol();
  Member member{topic, protocol};
  while (!member.assigned) REQUIRE(member.poll(false) == 0);
  member.consumer.commit({{{topic, 7}, 0}});
  while (member.answered.empty()) member.poll(false);
  CHECK(member.commit_error == RD_KAFKA_RESP_ERR_NO_ERROR);
  REQUIRE(member.answered.size() == 1);
  CHECK(member.answered[0].where == kafka::TopicPartition{topic, 7});
  CHECK(member.answered[0].error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
}

TEST_CASE("a position is committed with its leader epoch, and assigned with it") {
  auto& cluster = TestCluster::instance();
  auto const topic = cluster.topic(1);
  auto const protocol = kafka::probe_cluster(cluster.settings(), std::chrono::seconds{10}).group_protocol();
  Member member{topic, protocol};
  while (!member.assigned) REQUIRE(member.poll(false) == 0);
  if (cluster.embedded()) {  // which looks at the epoch of a commit, and does not keep it
    member.consumer.commit({{{topic, 0}, 0, {}, 9}});
    while (member.answered.empty()) member.poll(false);
    CHECK(member.answered.front().error == RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH);
    member.answered.clear();
  }
  member.consumer.commit({{{topic, 0}, 0, {}, 0}});
  while (member.answered.empty()) member.poll(false);
  CHECK(member.answered.front().error == RD_KAFKA_RESP_ERR_NO_ERROR);
  member.consumer.close();
  Member next{topic, protocol, member.group};
  while (!next.assigned) REQUIRE(next.poll(false) == 0);
  CHECK(next.beginning.front().leader_epoch == 0);
}
