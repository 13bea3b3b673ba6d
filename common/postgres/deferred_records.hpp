/// Where the records are that a worker has read and deferred for long: the table `pipeline.deferred_records`.
#pragma once

#include "postgres/fence.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pqxx {
class connection;
class transaction_base;
}  // namespace pqxx

namespace omnibus::postgres {

/// A record's place, and what its event went through. Times are relative to now, so that clocks may differ.
struct DeferredRecord {
  std::int64_t offset = 0;
  std::int64_t timestamp_ms = 0;  ///< the record's own
  std::uint64_t key_hash = 0;
  std::uint32_t bytes = 0;
  std::uint32_t attempts = 0;
  std::uint32_t deferrals = 0;        ///< in a row; 0 for one that waits behind another
  std::chrono::milliseconds due{0};   ///< from now
  std::chrono::milliseconds arrived;  ///< before now
  std::optional<std::chrono::milliseconds> first_failed{};
};

/// Records of one partition, to be written by its owner of this epoch.
struct DeferredWrite {
  FencedPartition partition;
  std::int64_t epoch = 0;
  std::vector<DeferredRecord> records;
};

/// A row to be removed: its record is finished.
struct DeferredPlace {
  FencedPartition partition;
  std::int64_t offset = 0;
  std::int64_t timestamp_ms = 0;
};

/// A key whose records wait.
struct DeferredKey {
  FencedPartition partition;
  std::uint64_t key_hash = 0;
  std::chrono::milliseconds due{0};  ///< of its first record, from now; negative when it is overdue
  std::int64_t records = 0;
  std::chrono::milliseconds arrived{0};  ///< its first record, before now
};

/// The first records of a key are asked for.
struct DeferredQuery {
  FencedPartition partition;
  std::uint64_t key_hash = 0;
  std::int64_t most = 1;
};

/// Removes some records and adds others, in one transaction. A record that is there already is left as it is, unless it
/// is deferred once more.
/// @return for each write whether it was made: not for a partition that belongs to another owner now.
/// @throws as libpqxx. After a commit in doubt, the same may be written again.
std::vector<bool> write_deferred(pqxx::connection& connection, std::string_view consumer,
                                 std::span<DeferredWrite const> writes, std::span<DeferredPlace const> finished);

/// The keys of these partitions that have records here. @throws as libpqxx
std::vector<DeferredKey> deferred_keys(pqxx::connection& connection, std::string_view consumer,
                                       std::vector<FencedPartition> const& partitions);

/// The first `most` records of each key, by offset; the answers are in the order of the queries. @throws as libpqxx
std::vector<std::vector<DeferredRecord>> read_deferred(pqxx::connection& connection, std::string_view consumer,
                                                       std::span<DeferredQuery const> queries);

}  // namespace omnibus::postgres
