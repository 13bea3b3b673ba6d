/// A replay's partitions, offsets, events and bytes, before it runs.
#pragma once

#include "kafka/client_settings.hpp"
#include "kafka/moment.hpp"
#include "kafka/offset_window.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::engine {

struct PlannedPartition {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t from = 0;
  std::int64_t to = 0;
  std::int64_t events = 0;
};
BOOST_DESCRIBE_STRUCT(PlannedPartition, (), (topic, partition, from, to, events))

struct ReplayPlan {
  std::string worker, from, to;
  std::vector<PlannedPartition> partitions;
  std::int64_t events = 0;  ///< the number of offsets: a compacted topic has fewer events
  std::int64_t bytes = 0;   ///< keys, values and headers, estimated from the first records of each partition
};
BOOST_DESCRIBE_STRUCT(ReplayPlan, (), (worker, from, to, partitions, events, bytes))

/// Reads the cluster and changes nothing. Blocks. @throws kafka::Error, std::invalid_argument as replay_topics().
ReplayPlan plan_replay(kafka::ClientSettings const& client, std::string const& worker,
                       std::vector<std::string> const& topics, kafka::Moment const& from, kafka::Moment const& to);

/// As text for people: a table and a line of totals.
std::string to_text(ReplayPlan const& plan);

}  // namespace omnibus::engine
