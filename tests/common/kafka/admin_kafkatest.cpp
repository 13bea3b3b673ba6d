#include "kafka/admin.hpp"
#include "kafka/producer.hpp"
#include "kafka/topic_plan.hpp"
#include "tests/common/kafka/test_cluster.hpp"

#include <algorithm>

#include <doctest/doctest.h>

namespace {

using namespace omnibus;
using namespace std::chrono_literals;
using test::TestCluster;

void commit(TestCluster& cluster, std::string const& group, std::string const& topic, int partition,
            std::int64_t offset) {
  auto configuration = kafka::make_configuration(cluster.settings());
  kafka::set_option(configuration.get(), "group.id", group);
  auto const client = kafka::make_client(RD_KAFKA_CONSUMER, std::move(configuration));
  auto* list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, topic.c_str(), partition)->offset = offset;
  CHECK(rd_kafka_commit(client.get(), list, 0) == RD_KAFKA_RESP_ERR_NO_ERROR);
  rd_kafka_topic_partition_list_destroy(list);
  rd_kafka_consumer_close(client.get());
}

kafka::TopicCatalog catalog(std::string const& name, int partitions, std::string const& retention) {
  return kafka::TopicCatalog::parse("topics: [{ name: " + name + ", key: k, partitions: " + std::to_string(partitions) +
                                    ", replication_factor: 3, configs: { retention.ms: " + retention +
                                    ", min.insync.replicas: 2 }, owner: a, pii: false, events: [], consumers: [], "
                                    "dead_letters: true }]");
}

}  // namespace

TEST_CASE("the cluster is asked what it can do") {
  auto& cluster = TestCluster::instance();
  auto const abilities = kafka::probe_cluster(cluster.settings(), 10s);
  CHECK(abilities.embedded == cluster.embedded());
  CHECK(abilities.create_topics == !cluster.embedded());
  CHECK(abilities.consumer_protocol);
  CHECK(abilities.group_protocol() == kafka::GroupProtocol::consumer);
}

TEST_CASE("offsets of a topic and the lag of a group") {
  auto& cluster = TestCluster::instance();
  auto const topic = cluster.topic(2);
  {
    kafka::Producer producer(cluster.settings());
    for (int i = 0; i < 5; ++i) producer.produce({topic, "k", "v", {}, 1}, {});
    REQUIRE(producer.flush(10s));
  }
  kafka::Admin const admin(cluster.settings());
  auto const marks = admin.watermarks(topic);
  REQUIRE(marks.size() == 2);
  CHECK(marks[0].high == 0);
  CHECK(marks[1].low == 0);
  CHECK(marks[1].high == 5);

  auto const group = cluster.unique("group");
  commit(cluster, group, topic, 1, 3);
  auto const lags = admin.group_lag(group, {topic});
  REQUIRE(lags.size() == 2);
  for (auto const& lag : lags) {
    CHECK(lag.topic == topic);
    CHECK(lag.committed == (lag.partition == 1 ? 3 : -1));
    CHECK(lag.lag() == (lag.partition == 1 ? 2 : 0));
  }
  CHECK_THROWS_AS(static_cast<void>(admin.watermarks(cluster.unique("nothing")).at(4)), std::exception);
}

TEST_CASE("groups are listed with what they have committed; the embedded broker says that it cannot") {
  auto& cluster = TestCluster::instance();
  kafka::Admin const admin(cluster.settings());
  CHECK(admin.embedded() == cluster.embedded());
  auto const topic = cluster.topic(2);
  auto const group = cluster.unique("group");
  if (cluster.embedded()) {
    CHECK_THROWS_AS(admin.groups(), kafka::Error);
    CHECK_THROWS_AS(admin.describe_groups({group}), kafka::Error);
    CHECK_THROWS_AS(admin.committed(group), kafka::Error);
    return;
  }
  commit(cluster, group, topic, 1, 0);
  auto const groups = admin.groups();
  CHECK(std::ranges::find(groups, group) != groups.end());
  auto const described = admin.describe_groups({group});
  REQUIRE(described.size() == 1);
  CHECK(described[0].name == group);
  CHECK(described[0].state == "Empty");
  CHECK(described[0].members == 0);
  auto const positions = admin.committed(group);
  REQUIRE(positions.size() == 1);
  CHECK(positions[0].where == kafka::TopicPartition{topic, 1});
  CHECK(positions[0].offset == 0);
}

TEST_CASE("topics are made, found as planned, and changed; the embedded broker says that it cannot") {
  auto& cluster = TestCluster::instance();
  kafka::Admin const admin(cluster.settings());
  auto const name = cluster.unique("planned");
  if (cluster.embedded()) {
    for (auto const &attempt :
         {+[](kafka::Admin const&to, std::string const&topic) { to.create_topic(topic, 1, 1, {}); },
          +[](kafka::Admin const&to, std::string const&topic) { to.add_partitions(topic, 2); },
          +[](kafka::Admin const&to, std::string const&topic) {
            to.alter_configs(topic, {{"retention.ms", "1"}});
          }}) {
      try {
        attempt(admin, name);
        FAIL("done");
      } catch (kafka::Error const& error) {
        CHECK(error.code() == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE);
        CHECK_FALSE(error.retriable());
      }
    }
    CHECK(kafka::plan_topics(kafka::TopicCatalog::built_in(), admin.cluster()).changes.empty());
    return;
  }

  auto const before = admin.cluster();
  auto const wanted = catalog(name, 2, "60000");
  auto const plan = kafka::plan_topics(wanted, before);
  REQUIRE(plan.changes.size() == 2);
  for (auto const& change : plan.changes)
    admin.create_topic(change.topic.name, change.topic.partitions, change.topic.replication_factor, change.configs);
  auto const until_known = [&](kafka::TopicCatalog const& told, std::size_t changes) {
    for (int i = 0; i < 100; ++i)
      if (kafka::plan_topics(told, admin.cluster()).changes.size() == changes) return true;
    return false;
  };
  CHECK(until_known(wanted, 0));
  CHECK_THROWS_AS(admin.create_topic(name, 1, 1, {}), kafka::Error);

  auto const changed = catalog(name, 3, "70000");
  CHECK(until_known(changed, 4));  // partitions and retention, of the topic and of its dead letters
  for (auto const& topic : changed.topics()) {
    admin.alter_configs(topic.name, {{"retention.ms", "70000"}});
    admin.add_partitions(topic.name, 3);
  }
  CHECK(until_known(changed, 0));
  auto const after = admin.cluster();
  auto const* state = after.find(name);
  REQUIRE(state != nullptr);
  CHECK(state->configs->at("retention.ms").value == "70000");
  CHECK(state->configs->at("retention.ms").set_on_topic);
  CHECK(state->configs->at("min.insync.replicas").set_on_topic);  // what was not altered stays
}
