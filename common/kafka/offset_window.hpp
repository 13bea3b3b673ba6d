/// A time window of some topics, as offsets.
#pragma once

#include "kafka/client_settings.hpp"
#include "kafka/consumer.hpp"
#include "kafka/moment.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace omnibus::kafka {

/// The offsets of one partition from `from` up to, and without, `to`.
struct OffsetRange {
  TopicPartition where;
  std::int64_t from = 0;
  std::int64_t to = 0;

  bool operator==(OffsetRange const&) const = default;
};

/// Finds offsets by time, and reads and sets those of a group without members. Every call blocks up to the
/// timeout. Errors are Error.
class OffsetWindow {
 public:
  explicit OffsetWindow(ClientSettings const& settings, std::string const& group = {},
                        std::chrono::milliseconds timeout = std::chrono::seconds{15});

  /// For every partition of these topics: the records from the first one with a timestamp of at least `from` up to, and
  /// without, the first with one of at least `to`, among committed and kept records. A partition without such records
  /// has an empty range. @throws Error also for a missing topic, and for times on the embedded broker.
  std::vector<OffsetRange> find(std::vector<std::string> const& topics, Moment const& from, Moment const& to);

  /// The group's commits for these, in their order; -1 without a commit.
  std::vector<std::int64_t> committed(std::vector<TopicPartition> const& partitions);

  /// Sets the group's offsets. @throws Error (UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH or such) while it has members.
  void commit(std::vector<Position> const& positions);

 private:
  std::vector<TopicPartition> partitions_of(std::string const& topic);
  /// The offsets of a moment, in the order of the ranges; -1 if it is after the last record.
  std::vector<std::int64_t> offsets_at(std::vector<OffsetRange> const& all, std::int64_t ms);

  Client client_;
  int timeout_ms_;
};

}  // namespace omnibus::kafka
