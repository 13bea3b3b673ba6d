#include "kafka/topic_plan.hpp"

#include <doctest/doctest.h>

namespace {

using namespace omnibus::kafka;

TopicCatalog catalog() {
  return TopicCatalog::parse(R"(topics:
  - name: orders
    key: order_id
    partitions: 3
    replication_factor: 3
    configs: { retention.ms: 60000, min.insync.replicas: 2 }
    owner: shop
    pii: false
    events: []
    consumers: []
)");
}

/// A cluster of three brokers that holds exactly what the catalogue wants.
ClusterState matching() {
  std::map<std::string, ConfigState> const configs{{"retention.ms", {"60000", true}},
                                                   {"min.insync.replicas", {"2", true}},
                                                   {"segment.bytes", {"1073741824", false}}};
  return {3, {{"orders", 3, 3, configs}}};
}

}  // namespace

TEST_CASE("a cluster that holds what is wanted needs no change") {
  auto const plan = plan_topics(catalog(), matching());
  CHECK(plan.changes.empty());
  CHECK(plan.notes.empty());
}

TEST_CASE("a missing topic is created, with no more replicas than there are brokers") {
  auto const plan = plan_topics(catalog(), ClusterState{1, {}});
  REQUIRE(plan.changes.size() == 1);
  auto const& change = plan.changes.front();
  CHECK(change.kind == ChangeKind::create);
  CHECK(change.topic.replication_factor == 1);
  CHECK(change.configs.at("min.insync.replicas") == "1");
  CHECK(change.configs.at("retention.ms") == "60000");
  CHECK(change.applicable());
}

TEST_CASE("only the configs that differ are set") {
  auto cluster = matching();
  cluster.topics[0].configs->at("retention.ms").value = "1";
  auto const plan = plan_topics(catalog(), cluster);
  REQUIRE(plan.changes.size() == 1);
  CHECK(plan.changes[0].kind == ChangeKind::alter_configs);
  CHECK(plan.changes[0].configs == std::map<std::string, std::string>{{"retention.ms", "60000"}});
}

TEST_CASE("more partitions for a keyed topic is a change that reorders keys") {
  auto cluster = matching();
  cluster.topics[0].partitions = 2;
  auto const plan = plan_topics(catalog(), cluster);
  REQUIRE(plan.changes.size() == 1);
  CHECK(plan.changes[0].kind == ChangeKind::add_partitions);
  CHECK(plan.changes[0].applicable());
  CHECK(plan.changes[0].reorders_keys());
}

TEST_CASE("partitions are never taken away and replicas never moved: both are told and left to a person") {
  auto cluster = matching();
  cluster.topics[0].partitions = 4;
  cluster.topics[0].replication_factor = 1;
  auto const plan = plan_topics(catalog(), cluster);
  REQUIRE(plan.changes.size() == 2);
  CHECK(plan.changes[0].kind == ChangeKind::too_many_partitions);
  CHECK(plan.changes[1].kind == ChangeKind::replication);
  for (auto const& change : plan.changes) CHECK_FALSE(change.applicable());
}

TEST_CASE("what others made is noted and no difference") {
  auto cluster = matching();
  cluster.topics[0].configs->insert({"retention.bytes", {"5", true}});
  cluster.topics.push_back({"theirs", 1, 1, {}});
  auto const plan = plan_topics(catalog(), cluster);
  CHECK(plan.changes.empty());
  CHECK(plan.notes.size() == 2);
}

TEST_CASE("configs are not compared where the broker does not tell them") {
  auto cluster = matching();
  cluster.topics[0].configs.reset();
  CHECK(plan_topics(catalog(), cluster).changes.empty());
}

TEST_CASE("the lag of a group counts from what it committed, and from the first kept record before that") {
  CHECK(PartitionLag{"t", 0, 7, {5, 10}}.lag() == 3);
  CHECK(PartitionLag{"t", 0, -1, {5, 10}}.lag() == 5);
  CHECK(PartitionLag{"t", 0, 2, {5, 10}}.lag() == 5);
  CHECK(PartitionLag{"t", 0, 10, {5, 10}}.lag() == 0);
}
