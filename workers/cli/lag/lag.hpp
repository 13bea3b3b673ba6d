/// The lag of consumer groups: values, table, and limit.
#pragma once

#include "kafka/admin.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::cli {

struct PartitionLine {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t committed = -1;  ///< -1: nothing is committed yet
  std::int64_t low = 0;         ///< the first offset kept
  std::int64_t end = 0;         ///< the offset the next record gets
  std::int64_t lag = 0;
  std::optional<double> lag_seconds;  ///< age of the oldest uncommitted record; absent when unknown
};
BOOST_DESCRIBE_STRUCT(PartitionLine, (), (topic, partition, committed, low, end, lag, lag_seconds))

struct GroupLag {
  std::string group;
  std::string state;
  std::optional<std::int32_t> members;  ///< absent when unknown
  bool replay = false;
  std::vector<PartitionLine> partitions;
};
BOOST_DESCRIBE_STRUCT(GroupLag, (), (group, state, members, replay, partitions))

struct LagReport {
  std::string time;
  std::vector<GroupLag> groups;
};
BOOST_DESCRIBE_STRUCT(LagReport, (), (time, groups))

PartitionLine lag_of(kafka::PartitionLag const& partition);

/// Whether a group belongs to a replay, by its name.
bool is_replay_group(std::string_view name);

/// One line for each partition, and one for each group without partitions or with several.
std::string lag_table(LagReport const& report);

/// The highest allowed lag of one partition.
struct LagLimit {
  std::optional<std::int64_t> events;
  std::optional<std::int64_t> seconds;
};

/// Reads 1000 (events) or 30s, 5m, 2h (time). @throws std::invalid_argument that shows the forms.
LagLimit read_lag_limit(std::string_view text);

/// Whether a partition of a group (replays excluded) is over the limit. An unknown age counts as too old.
bool is_over(LagReport const& report, LagLimit const& limit);

}  // namespace omnibus::cli
