#include "postgres/outbox.hpp"

#include "postgres/binary_copy.hpp"
#include "postgres/rows.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <boost/describe/class.hpp>
#include <pqxx/pqxx>

namespace omnibus::postgres {
namespace {

constexpr std::uint32_t absent = 0xffffffffU;
constexpr std::size_t longest_reason = 512;

void append_number(std::string& out, std::uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>((number >> shift) & 0xffU));
}

class StoredHeaderReader {
 public:
  explicit StoredHeaderReader(std::string_view bytes) : rest_(bytes) {}

  std::uint32_t number() {
    std::uint32_t result = 0;
    for (char const byte : take(4)) result = (result << 8) | static_cast<std::uint8_t>(byte);
    return result;
  }

  std::string_view take(std::size_t size) {
    if (size > rest_.size()) throw std::invalid_argument("outbox headers end early");
    auto const taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

/// Appends '\x...' or NULL.
void append_bytes(std::string& out, std::optional<std::string> const& bytes) {
  if (!bytes) {
    out += "NULL";
    return;
  }
  static constexpr char digits[] = "0123456789abcdef";
  out += "'\\x";
  for (char const byte : *bytes) {
    auto const value = static_cast<std::uint8_t>(byte);
    out.push_back(digits[value >> 4]);
    out.push_back(digits[value & 15U]);
  }
  out += "'";
}

std::string text_of(pqxx::bytes const& bytes) {
  return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

std::optional<std::string> text_of(std::optional<pqxx::bytes> const& bytes) {
  return bytes ? std::optional{text_of(*bytes)} : std::nullopt;
}

constexpr std::string_view written_columns =
    "pipeline.outbox (id, consumer, source_topic, source_partition, topic, key, headers, value, partition)";

constexpr std::string_view columns = "id, topic, key, headers, value, partition";

/// These columns.
struct StoredRecord {
  std::int64_t id = 0;
  std::string topic;
  std::optional<pqxx::bytes> key;
  pqxx::bytes headers;
  std::optional<pqxx::bytes> value;
  std::optional<std::int32_t> partition;
};
BOOST_DESCRIBE_STRUCT(StoredRecord, (), (id, topic, key, headers, value, partition))

std::vector<OutboxRow> rows_of(pqxx::result const& result) {
  std::vector<OutboxRow> rows;
  rows.reserve(static_cast<std::size_t>(result.size()));
  for (auto& stored : read<StoredRecord>(result)) {
    OutboxRow entry;
    entry.id = stored.id;
    entry.record.topic = std::move(stored.topic);
    entry.record.key = text_of(stored.key);
    entry.record.headers = decode_headers(text_of(stored.headers));
    entry.record.value = text_of(stored.value);
    entry.record.partition = stored.partition;
    rows.push_back(std::move(entry));
  }
  return rows;
}

std::vector<OutboxRow> rows_from(pqxx::transaction_base& transaction, OutboxSource const& source, std::size_t limit,
                                 std::int64_t after, std::string_view locking) {
  std::string sql = "SELECT ";
  sql += columns;
  sql +=
      " FROM pipeline.outbox WHERE consumer = $1 AND source_topic = $2 AND source_partition = $3::int"
      " AND refused IS NULL AND id > $5::bigint ORDER BY id LIMIT $4::bigint";
  sql += locking;
  return rows_of(transaction.exec(sql, pqxx::params{source.consumer, source.topic, source.partition, limit, after}));
}

std::string id_list(std::span<std::int64_t const> ids) {
  std::string list;
  for (auto const id : ids) {
    if (!list.empty()) list += ',';
    list += std::to_string(id);
  }
  return list;
}

}  // namespace

std::string encode_headers(std::vector<kafka::Header> const& headers) {
  std::string out;
  append_number(out, static_cast<std::uint32_t>(headers.size()));
  for (auto const& [name, value] : headers) {
    append_number(out, static_cast<std::uint32_t>(name.size()));
    out += name;
    append_number(out, value ? static_cast<std::uint32_t>(value->size()) : absent);
    if (value) out += *value;
  }
  return out;
}

std::vector<kafka::Header> decode_headers(std::string_view bytes) {
  if (bytes.empty()) return {};
  StoredHeaderReader reader{bytes};
  auto const count = reader.number();
  std::vector<kafka::Header> headers;
  for (std::uint32_t i = 0; i < count; ++i) {
    kafka::Header header;
    auto const name_size = reader.number();
    header.name = std::string{reader.take(name_size)};
    auto const value_size = reader.number();
    if (value_size != absent) header.value = std::string{reader.take(value_size)};
    headers.push_back(std::move(header));
  }
  if (!reader.at_end()) throw std::invalid_argument("outbox headers have bytes left over");
  return headers;
}

std::string outbox_insert(pqxx::connection const& connection, OutboxSource const& source,
                          std::span<OutboxRow const> rows) {
  OutboxRows const group{source, rows};
  return outbox_insert(connection, std::span{&group, 1});
}

std::string outbox_insert(pqxx::connection const& connection, std::span<OutboxRows const> groups) {
  std::size_t size = 200;
  for (auto const& [source, rows] : groups) {
    for (auto const& row : rows)
      size += 300 + 2 * (row.record.key.value_or("").size() + row.record.value.value_or("").size());
  }
  std::string sql;
  sql.reserve(size);
  sql += "INSERT INTO ";
  sql += written_columns;
  sql += " VALUES ";
  auto first = true;
  for (auto const& [source, rows] : groups) {
    auto const from = connection.quote(source.consumer) + ',' + connection.quote(source.topic) + ',' +
                      std::to_string(source.partition);
    for (auto const& row : rows) {
      if (!std::exchange(first, false)) sql += ',';
      sql += '(';
      sql += std::to_string(row.id);
      sql += ',';
      sql += from;
      sql += ',';
      sql += connection.quote(row.record.topic);
      sql += ',';
      append_bytes(sql, row.record.key);
      sql += ',';
      append_bytes(sql, encode_headers(row.record.headers));
      sql += ',';
      append_bytes(sql, row.record.value);
      sql += ',';
      sql += row.record.partition ? std::to_string(*row.record.partition) : "NULL";
      sql += ')';
    }
  }
  return sql;
}

void outbox_copy(pqxx::transaction_base& transaction, std::span<OutboxRows const> groups) {
  BinaryCopy copy{transaction, written_columns};
  for (auto const& [source, rows] : groups) {
    for (auto const& row : rows)
      copy.add(row.id, source.consumer, source.topic, source.partition, row.record.topic, row.record.key,
               encode_headers(row.record.headers), row.record.value, row.record.partition);
  }
  copy.complete();
}

std::vector<OutboxRow> take_unpublished(pqxx::transaction_base& transaction, OutboxSource const& source,
                                        std::size_t limit, std::int64_t after) {
  return rows_from(transaction, source, limit, after, "");
}

std::vector<OutboxRow> lock_unpublished(pqxx::transaction_base& transaction, OutboxSource const& source,
                                        std::size_t limit) {
  return rows_from(transaction, source, limit, std::numeric_limits<std::int64_t>::min(), " FOR UPDATE");
}

std::vector<OutboxRow> sweep_outbox(pqxx::transaction_base& transaction, std::chrono::milliseconds age,
                                    std::size_t limit, std::vector<std::string> const& busy_topics) {
  // Two at once could publish rows of one key out of order.
  if (!transaction.query_value<bool>("SELECT pg_try_advisory_xact_lock(hashtextextended('sweep_outbox', 0))"))
    return {};
  return rows_of(transaction.exec("SELECT " + std::string{columns} +
                                      " FROM pipeline.outbox WHERE created_at <= clock_timestamp() - "
                                      "make_interval(secs => $1::double precision / 1000)"
                                      " AND (refused IS NULL OR not_before <= clock_timestamp())"
                                      " AND topic <> ALL ($3::text[])"
                                      " ORDER BY id LIMIT $2::bigint FOR UPDATE SKIP LOCKED",
                                  pqxx::params{static_cast<std::int64_t>(age.count()), limit, busy_topics}));
}

void refuse_rows(pqxx::transaction_base& transaction, std::span<RefusedRow const> rows) {
  if (rows.empty()) return;
  std::vector<std::int64_t> ids;
  std::vector<std::string> reasons;
  std::vector<std::int32_t> may_pass;
  for (auto const& row : rows) {
    ids.push_back(row.id);
    reasons.push_back(row.reason.substr(0, longest_reason));
    may_pass.push_back(row.may_pass ? 1 : 0);
  }
  // Locked by id, as removals are, so that the two cannot deadlock.
  transaction.exec(
      "WITH told AS (SELECT o.id, t.reason, t.may_pass FROM unnest($1::bigint[], $2::text[], $3::int[])"
      " AS t (id, reason, may_pass) JOIN pipeline.outbox o USING (id) ORDER BY o.id FOR UPDATE OF o)"
      " UPDATE pipeline.outbox o SET refused = told.reason, attempts = o.attempts + 1, not_before = CASE WHEN"
      " told.may_pass > 0 THEN clock_timestamp() + interval '1 minute' * power(2, least(o.attempts, 6)) END"
      " FROM told WHERE o.id = told.id",
      pqxx::params{ids, reasons, may_pass});
}

void remove_published(pqxx::transaction_base& transaction, std::span<std::int64_t const> ids) {
  if (ids.empty()) return;
  transaction.exec("DELETE FROM pipeline.outbox WHERE id IN (" + id_list(ids) + ")");
}

void remove_published(pqxx::connection& connection, std::span<std::int64_t const> ids) {
  if (ids.empty()) return;
  // In a fixed order, so that it cannot deadlock with another removal of the same rows.
  std::vector<std::int64_t> sorted(ids.begin(), ids.end());
  std::ranges::sort(sorted);
  pqxx::nontransaction query{connection};
  try {
    query.exec("BEGIN; SET LOCAL synchronous_commit = off; DELETE FROM pipeline.outbox WHERE id IN (" +
               id_list(sorted) + "); COMMIT");
  } catch (pqxx::sql_error const&) {
    query.exec("ROLLBACK");  // or the connection's next user would be in a failed transaction
    throw;
  }
}

}  // namespace omnibus::postgres
