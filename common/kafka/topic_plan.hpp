/// The changes that a cluster needs to match the catalogue.
#pragma once

#include "kafka/admin.hpp"
#include "kafka/topics.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace omnibus::kafka {

enum class ChangeKind {
  create,               ///< the topic is missing
  alter_configs,        ///< configs differ
  add_partitions,       ///< it has fewer partitions
  too_many_partitions,  ///< it has more partitions, and Kafka cannot remove them
  replication,          ///< its replication factor differs; Kafka's own reassignment tool changes it
};

/// One difference between the catalogue and the cluster.
struct TopicChange {
  ChangeKind kind;
  TopicSpec topic;                             ///< as it should be on this cluster
  std::int32_t partitions_now = 0;             ///< 0: the topic is missing
  std::map<std::string, std::string> configs;  ///< the ones to set
  std::string text;                            ///< in words, one line

  /// Whether `apply` can make it: the other kinds need an operator.
  bool applicable() const;
  /// Adding partitions sends later records of a key to another partition than earlier ones.
  bool reorders_keys() const;
};

struct TopicPlan {
  std::vector<TopicChange> changes;
  std::vector<std::string>
      notes;  ///< information, not a difference: configs set by others, topics not in the catalogue
};

/// The topic for a cluster of so many brokers: no more replicas than brokers, and no more in sync than
/// replicas.
TopicSpec fitted(TopicSpec topic, std::int32_t brokers);

/// Pure; configs are compared only if the cluster reports them.
TopicPlan plan_topics(TopicCatalog const& catalog, ClusterState const& cluster);

}  // namespace omnibus::kafka
