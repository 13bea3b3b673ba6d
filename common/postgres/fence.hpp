/// The ownership of partitions in the database. It stops a worker that was paused and lost its partitions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pqxx {
class connection;
}

namespace omnibus::postgres {

/// A partition of a topic.
struct FencedPartition {
  std::string topic;
  std::int32_t partition = 0;

  bool operator==(FencedPartition const&) const = default;
};

/// Takes partitions over in one round trip and returns the epoch of each, in the order given. Waits for open
/// transactions of earlier owners; each later one of theirs ends as `fenced`.
/// @throws as libpqxx, also when a partition's transactions do not end within the statement time-out.
std::vector<std::int64_t> take_over(pqxx::connection& connection, std::string_view consumer,
                                    std::vector<FencedPartition> const& partitions, std::string_view owner);

/// The epoch of a partition's present owner; nothing if nobody ever took it over.
std::optional<std::int64_t> epoch_of(pqxx::connection& connection, std::string_view consumer,
                                     FencedPartition const& partition);

}  // namespace omnibus::postgres
