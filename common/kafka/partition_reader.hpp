/// Reads a range of a topic's partition without a consumer group.
#pragma once

#include "kafka/client_settings.hpp"
#include "kafka/consumer.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace omnibus::kafka {

/// Changes nothing in the cluster: it joins no group and commits nothing. Reads only committed records. One thread at
/// a time may use it.
class PartitionReader {
 public:
  /// After `timeout` without any arrival, the broker counts as gone. It may hold a fetch that finds nothing for
  /// `longest_fetch`; until then the next read() does not begin.
  explicit PartitionReader(ClientSettings const& settings, std::chrono::milliseconds timeout = std::chrono::seconds(15),
                           std::chrono::milliseconds longest_fetch = std::chrono::milliseconds(50));
  ~PartitionReader();
  PartitionReader(PartitionReader const&) = delete;
  PartitionReader& operator=(PartitionReader const&) = delete;

  /// Calls `visit` for each record from offset `begin` on and before `end`, in order, until it returns false. Records
  /// that were removed in between are skipped. @return the offset before which there is no other record; at `end` or
  /// beyond it if the partition goes on there. @throws Error, and what `visit` throws.
  std::int64_t read(TopicPartition const& where, std::int64_t begin, std::int64_t end,
                    std::function<bool(rd_kafka_message_t const&)> const& visit);

  /// The timestamp (ms) of the first record at or after each position; absent if the partition ends before one, or
  /// none came in time. Do not pass a partition twice in one call.
  std::vector<std::optional<std::int64_t>> first_timestamps(std::vector<Position> const& positions);

 private:
  class Fetch;

  std::chrono::milliseconds timeout_;
  Client client_;
};

}  // namespace omnibus::kafka
