#include "postgres/deferred_records.hpp"

#include "postgres/rows.hpp"

#include <pqxx/pqxx>

namespace omnibus::postgres {
namespace {

/// Partitions as two arrays.
struct PartitionArrays {
  void add(FencedPartition const& partition) {
    topics.push_back(partition.topic);
    numbers.push_back(partition.partition);
  }
  std::vector<std::string> topics;
  std::vector<std::int32_t> numbers;
};

void remove(pqxx::transaction_base& transaction, std::string_view consumer, std::span<DeferredPlace const> finished) {
  if (finished.empty()) return;
  PartitionArrays partitions;
  std::vector<std::int64_t> offsets;
  std::vector<std::int64_t> timestamps;
  for (auto const& each : finished) {
    partitions.add(each.partition);
    offsets.push_back(each.offset);
    timestamps.push_back(each.timestamp_ms);
  }
  transaction.exec(
      "DELETE FROM pipeline.deferred_records d"
      " USING unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[]) AS f (topic, partition, record_offset, "
      "record_ms)"
      " WHERE d.consumer = $1 AND d.topic = f.topic AND d.partition = f.partition"
      " AND d.record_offset = f.record_offset AND d.record_ms = f.record_ms",
      pqxx::params{consumer, partitions.topics, partitions.numbers, offsets, timestamps});
}

std::vector<bool> add(pqxx::transaction_base& transaction, std::string_view consumer,
                      std::span<DeferredWrite const> writes) {
  if (writes.empty()) return {};
  PartitionArrays partitions;
  std::vector<std::int64_t> epochs;
  std::vector<std::int32_t> claims;
  std::vector<std::int64_t> offsets;
  std::vector<std::int64_t> timestamps;
  std::vector<std::int32_t> bytes;
  std::vector<std::int64_t> keys;
  std::vector<std::int64_t> due;
  std::vector<std::int32_t> attempts;
  std::vector<std::int32_t> deferrals;
  std::vector<std::int64_t> arrived;
  std::vector<std::int64_t> failed;  // -1 for none: libpqxx 7.10 writes beyond the text of an array with NULLs
  for (auto const& write : writes) {
    partitions.add(write.partition);
    epochs.push_back(write.epoch);
    for (auto const& record : write.records) {
      claims.push_back(static_cast<std::int32_t>(epochs.size()));
      offsets.push_back(record.offset);
      timestamps.push_back(record.timestamp_ms);
      bytes.push_back(static_cast<std::int32_t>(record.bytes));
      keys.push_back(static_cast<std::int64_t>(record.key_hash));
      due.push_back(record.due.count());
      attempts.push_back(static_cast<std::int32_t>(record.attempts));
      deferrals.push_back(static_cast<std::int32_t>(record.deferrals));
      arrived.push_back(record.arrived.count());
      failed.push_back(record.first_failed ? record.first_failed->count() : -1);
    }
  }
  std::vector<bool> written(writes.size());
  for (auto const owned : read<std::int64_t>(
           transaction,
           "SELECT unnest(pipeline.defer_records($1, $2::text[], $3::int[], $4::bigint[], $5::int[], $6::bigint[],"
           " $7::bigint[], $8::int[], $9::bigint[], $10::bigint[], $11::int[], $12::int[], $13::bigint[],"
           " $14::bigint[]))",
           pqxx::params{consumer, partitions.topics, partitions.numbers, epochs, claims, offsets, timestamps, bytes,
                        keys, due, attempts, deferrals, arrived, failed}))
    written[static_cast<std::size_t>(owned - 1)] = true;
  return written;
}

}  // namespace

std::vector<bool> write_deferred(pqxx::connection& connection, std::string_view consumer,
                                 std::span<DeferredWrite const> writes, std::span<DeferredPlace const> finished) {
  pqxx::work transaction{connection};
  remove(transaction, consumer, finished);
  auto written = add(transaction, consumer, writes);
  transaction.commit();
  return written;
}

std::vector<DeferredKey> deferred_keys(pqxx::connection& connection, std::string_view consumer,
                                       std::vector<FencedPartition> const& partitions) {
  PartitionArrays asked;
  for (auto const& each : partitions) asked.add(each);
  pqxx::nontransaction query{connection};
  std::vector<DeferredKey> keys;
  for (auto const& [topic, partition, key_hash, due, records, arrived] :
       query.query<std::string, std::int32_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t>(
           "SELECT DISTINCT ON (d.topic, d.partition, d.key_hash) d.topic, d.partition, d.key_hash,"
           " (extract(epoch FROM d.due_at - now()) * 1000)::bigint,"
           " count(*) OVER (PARTITION BY d.topic, d.partition, d.key_hash),"
           " (extract(epoch FROM now() - d.arrived_at) * 1000)::bigint"
           " FROM pipeline.deferred_records d JOIN unnest($2::text[], $3::int[]) AS p (topic, partition)"
           " ON d.topic = p.topic AND d.partition = p.partition WHERE d.consumer = $1"
           " ORDER BY d.topic, d.partition, d.key_hash, d.record_offset",
           pqxx::params{consumer, asked.topics, asked.numbers}))
    keys.push_back({{topic, partition},
                    static_cast<std::uint64_t>(key_hash),
                    std::chrono::milliseconds{due},
                    records,
                    std::chrono::milliseconds{arrived}});
  return keys;
}

std::vector<std::vector<DeferredRecord>> read_deferred(pqxx::connection& connection, std::string_view consumer,
                                                       std::span<DeferredQuery const> queries) {
  PartitionArrays asked;
  std::vector<std::int64_t> keys;
  std::vector<std::int64_t> most;
  for (auto const& each : queries) {
    asked.add(each.partition);
    keys.push_back(static_cast<std::int64_t>(each.key_hash));
    most.push_back(each.most);
  }
  std::vector<std::vector<DeferredRecord>> found(queries.size());
  pqxx::nontransaction query{connection};
  for (auto const& [ordinal, offset, timestamp, bytes, attempts, deferrals, arrived, failed] :
       query.query<std::int64_t, std::int64_t, std::int64_t, std::uint32_t, std::uint32_t, std::uint32_t, std::int64_t,
                   std::optional<std::int64_t>>(
           "SELECT k.ordinal, d.* FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[]) WITH ORDINALITY"
           " AS k (topic, partition, key_hash, most, ordinal) CROSS JOIN LATERAL ("
           " SELECT r.record_offset, r.record_ms, r.record_bytes, r.attempts, r.deferrals,"
           " (extract(epoch FROM now() - r.arrived_at) * 1000)::bigint,"
           " (extract(epoch FROM now() - r.first_failed_at) * 1000)::bigint"
           " FROM pipeline.deferred_records r WHERE r.consumer = $1 AND r.topic = k.topic"
           " AND r.partition = k.partition AND r.key_hash = k.key_hash ORDER BY r.record_offset LIMIT k.most) AS d"
           " ORDER BY k.ordinal, d.record_offset",
           pqxx::params{consumer, asked.topics, asked.numbers, keys, most})) {
    auto const position = static_cast<std::size_t>(ordinal - 1);
    DeferredRecord record;
    record.offset = offset;
    record.timestamp_ms = timestamp;
    record.key_hash = queries[position].key_hash;
    record.bytes = bytes;
    record.attempts = attempts;
    record.deferrals = deferrals;
    record.arrived = std::chrono::milliseconds{arrived};
    if (failed) record.first_failed = std::chrono::milliseconds{*failed};
    found[position].push_back(record);
  }
  return found;
}

}  // namespace omnibus::postgres
