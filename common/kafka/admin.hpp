/// Reads and changes the topics and groups of a cluster.
#pragma once

#include "kafka/client_settings.hpp"
#include "kafka/consumer.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace omnibus::kafka {

/// One setting of a topic, as the broker reports it.
struct ConfigState {
  std::string value;
  bool set_on_topic = false;  ///< rather than the broker's own or Kafka's default
};

/// One topic, as the cluster reports it.
struct TopicState {
  std::string name;
  std::int32_t partitions = 0;
  std::int32_t replication_factor = 0;
  std::optional<std::map<std::string, ConfigState>> configs;  ///< absent if the broker does not report them (embedded)
  std::int32_t leaderless = 0;                                ///< partitions without a leader: unavailable now
  std::int32_t under_replicated = 0;  ///< partitions with fewer replicas in sync than they should have
};

/// The cluster as a whole.
struct ClusterState {
  std::int32_t brokers = 0;
  std::vector<TopicState> topics;  ///< without Kafka's internal ones

  TopicState const* find(std::string_view topic) const;
};

/// The offsets in a partition: the first kept one, and that of the next record.
struct Watermarks {
  std::int64_t low = 0;
  std::int64_t high = 0;
};

/// A group's position in one partition.
struct PartitionLag {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t committed = -1;  ///< -1: the group has no commit here
  Watermarks watermarks;

  /// Records not yet committed; counted from the first kept one if nothing is committed.
  std::int64_t lag() const;
};

/// A consumer group as its coordinator describes it.
struct GroupState {
  std::string name;
  std::string state;  ///< Kafka's word: Stable, Empty, ...
  std::int32_t members = 0;
  std::vector<TopicPartition> assigned;
};

/// Reads and changes a cluster. Every call blocks up to the timeout and may come from any thread.
/// Failures are Error: retriable when no broker answers, permanent (UNSUPPORTED_FEATURE) for an operation that the
/// embedded broker does not support.
class Admin {
 public:
  explicit Admin(ClientSettings const& settings, std::chrono::milliseconds timeout = std::chrono::seconds(15));

  /// All topics, with their configs if the broker reports them.
  ClusterState cluster() const;

  /// Creates a topic. If it exists: Error with code TOPIC_ALREADY_EXISTS.
  void create_topic(std::string const& name, std::int32_t partitions, std::int32_t replication_factor,
                    std::map<std::string, std::string> const& configs) const;

  /// Sets these configs and leaves all others as they are.
  void alter_configs(std::string const& topic, std::map<std::string, std::string> const& configs) const;

  /// Adds partitions until there are `total`.
  void add_partitions(std::string const& topic, std::int32_t total) const;

  /// Of every partition of a topic, by partition.
  std::vector<Watermarks> watermarks(std::string const& topic) const;

  /// The largest timestamp of any record kept in each partition of a topic, in ms since 1970; -1 for an empty one, and
  /// if the broker does not know (the embedded one).
  std::vector<std::int64_t> newest_timestamps(std::string const& topic) const;

  /// Of every partition of these topics.
  std::vector<PartitionLag> group_lag(std::string const& group, std::vector<std::string> const& topics) const;

  /// The names of all groups. Not on the embedded broker.
  std::vector<std::string> groups() const;

  /// These groups, in the order asked for. Not on the embedded broker.
  std::vector<GroupState> describe_groups(std::vector<std::string> const& names) const;

  /// All commits of a group. Not on the embedded broker, which needs the topics: see group_lag().
  std::vector<Position> committed(std::string const& group) const;

  /// Whether this is librdkafka's built-in broker.
  bool embedded() const;

 private:
  std::vector<std::int64_t> list_offsets(std::string const& topic, std::int32_t count, std::int64_t which) const;
  std::int32_t partition_count(std::string const& topic) const;
  void refuse_embedded(std::string const& what) const;

  std::chrono::milliseconds timeout_;
  Client client_;
};

}  // namespace omnibus::kafka
