/// What has to change for a cluster to hold the topics of the catalogue.
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
  too_many_partitions,  ///< it has more, and partitions cannot be taken away
  replication,          ///< its replication factor differs, which Kafka's own reassignment tool changes
};

/// One difference between the catalogue and the cluster.
struct TopicChange {
  ChangeKind kind;
  TopicSpec topic;                             ///< as wanted on this cluster
  std::int32_t partitions_now = 0;             ///< 0: the topic is missing
  std::map<std::string, std::string> configs;  ///< what is to be set
  std::string text;                            ///< in words, one line

  /// `apply` can make it: the other kinds need a person.
  bool applicable() const;
  /// Adding partitions sends later records of a key to another partition than earlier ones.
  bool reorders_keys() const;
};

struct TopicPlan {
  std::vector<TopicChange> changes;
  std::vector<std::string>
      notes;  ///< worth knowing, not a difference: configs set by others, topics not in the catalogue
};

/// The topic as a cluster of so many brokers can hold it: no more replicas than brokers, and no more in sync than
/// replicas.
TopicSpec fitted(TopicSpec topic, std::int32_t brokers);

/// Pure; configs are compared only where the cluster tells them.
TopicPlan plan_topics(TopicCatalog const& catalog, ClusterState const& cluster);

}  // namespace omnibus::kafka
