/// Reading a stretch of a topic's partition outside of any group, to its end and no further.
#pragma once

#include "kafka/client_settings.hpp"
#include "kafka/consumer.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace omnibus::kafka {

/// Leaves no trace in the cluster: it joins no group and commits nothing. Reads only what is committed. One thread at
/// a time may use it.
class PartitionReader {
 public:
  /// `timeout` is how long nothing may arrive before the broker counts as gone.
  explicit PartitionReader(ClientSettings const& settings,
                           std::chrono::milliseconds timeout = std::chrono::seconds(15));
  ~PartitionReader();
  PartitionReader(PartitionReader const&) = delete;
  PartitionReader& operator=(PartitionReader const&) = delete;

  /// Gives each record from offset `begin` on and before `end` to `visit`, in order, until that returns false. What
  /// was removed meanwhile is not missed. @throws Error, and what `visit` throws.
  void read(TopicPartition const& where, std::int64_t begin, std::int64_t end,
            std::function<bool(rd_kafka_message_t const&)> const& visit);

  /// The timestamp (ms) of the first record at or after each position; absent where the partition ends before one, or
  /// none came in time. No partition may be asked for twice in one call.
  std::vector<std::optional<std::int64_t>> first_timestamps(std::vector<Position> const& positions);

 private:
  class Fetch;

  std::chrono::milliseconds timeout_;
  Client client_;
};

}  // namespace omnibus::kafka
