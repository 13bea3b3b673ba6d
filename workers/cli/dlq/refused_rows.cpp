#include "workers/cli/dlq/refused_rows.hpp"

#include "postgres/outbox.hpp"
#include "postgres/outbox_publishing.hpp"
#include "postgres/rows.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <boost/describe/class.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

constexpr std::size_t rows_at_once = 100;
constexpr std::chrono::seconds longest_answer{40};  // beyond the producer's own limit

struct RefusedOutboxRow {
  std::int64_t id = 0;
  std::string consumer;
  std::string topic;
  std::optional<std::int32_t> partition;
  std::optional<pqxx::bytes> key;
  pqxx::bytes headers;
  std::optional<pqxx::bytes> value;
  std::int64_t bytes = 0;
  std::int64_t created_ms = 0;
  std::int32_t attempts = 0;
  std::optional<std::int64_t> next_ms;
  std::string refused;
};
BOOST_DESCRIBE_STRUCT(RefusedOutboxRow, (),
                      (id, consumer, topic, partition, key, headers, value, bytes, created_ms, attempts, next_ms,
                       refused))

std::string to_text(pqxx::bytes const& bytes) {
  return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

std::optional<std::string> to_text(std::optional<pqxx::bytes> const& bytes) {
  return bytes ? std::optional{to_text(*bytes)} : std::nullopt;
}

std::vector<StoredRefusal> read_refused(pqxx::transaction_base& transaction, RefusedSelection const& selection,
                                        std::int64_t after, std::size_t limit, bool with_value,
                                        std::string_view locking) {
  auto const most = std::min<std::size_t>(limit, std::numeric_limits<std::int32_t>::max());
  std::vector<StoredRefusal> found;
  for (auto& row : postgres::read<RefusedOutboxRow>(transaction.exec(
           fmt::format("SELECT id, consumer, topic, partition, key, headers, CASE WHEN $5 > 0 THEN value END AS value,"
                       " coalesce(length(value), 0)::bigint AS bytes,"
                       " (extract(epoch FROM created_at) * 1000)::bigint AS created_ms, attempts,"
                       " (extract(epoch FROM not_before) * 1000)::bigint AS next_ms, refused"
                       " FROM pipeline.outbox WHERE refused IS NOT NULL AND ($1 = '' OR topic = $1)"
                       " AND ($2::bigint IS NULL OR id = $2) AND id > $3 ORDER BY id LIMIT $4{}",
                       locking),
           pqxx::params{selection.topic, selection.row, after, static_cast<std::int64_t>(most), with_value ? 1 : 0})))
    found.push_back({row.id,
                     std::move(row.consumer),
                     row.created_ms,
                     row.bytes,
                     row.attempts,
                     row.next_ms,
                     std::move(row.refused),
                     {std::move(row.topic), to_text(row.key), to_text(row.value),
                      postgres::decode_headers(to_text(row.headers)), row.partition}});
  return found;
}

/// Calls `act(transaction, rows)` with the selected rows, locked, part by part; it commits.
void for_each_part(pqxx::connection& database, RefusedSelection const& selection,
                   std::function<void(pqxx::work&, std::vector<StoredRefusal>)> const& act) {
  auto after = std::numeric_limits<std::int64_t>::min();
  for (auto left = selection.limit; left > 0;) {
    pqxx::work transaction{database};
    auto rows =
        read_refused(transaction, selection, after, std::min(left, rows_at_once), true, " FOR UPDATE SKIP LOCKED");
    if (rows.empty()) return;
    after = rows.back().row;
    left -= rows.size();
    act(transaction, std::move(rows));
  }
}

}  // namespace

std::vector<StoredRefusal> refused_rows(pqxx::connection& database, RefusedSelection const& selection,
                                        bool with_value) {
  pqxx::nontransaction query{database};
  return read_refused(query, selection, std::numeric_limits<std::int64_t>::min(), selection.limit, with_value, "");
}

RefusedReport redrive_refused(pqxx::connection& database, kafka::Producer& producer, RefusedSelection const& selection,
                              std::function<void(std::int64_t row, std::string_view reason)> const& tell) {
  RefusedReport report;
  for_each_part(database, selection, [&](pqxx::work& transaction, std::vector<StoredRefusal> refusals) {
    std::vector<OutboxRow> rows;
    for (auto& each : refusals) rows.push_back({each.row, std::move(each.record)});
    postgres::RowPublisher publisher{producer};
    publisher.publish(rows, longest_answer);
    auto const answers = publisher.take_answers();
    postgres::remove_published(transaction, answers.acknowledged);
    postgres::refuse_rows(transaction, answers.refused);
    transaction.commit();
    report.acted += answers.acknowledged.size();
    report.refused += answers.refused.size();
    for (auto const& each : answers.refused) tell(each.id, each.reason);
    if (auto const open = rows.size() - answers.acknowledged.size() - answers.refused.size(); open > 0)
      throw std::runtime_error(fmt::format("{} rows are not published: {}. They stay refused. Check KAFKA_BROKERS",
                                           open, answers.failure.empty() ? "no answer" : answers.failure));
  });
  return report;
}

std::size_t drop_refused(pqxx::connection& database, RefusedSelection const& selection) {
  std::size_t dropped = 0;
  for_each_part(database, selection, [&](pqxx::work& transaction, std::vector<StoredRefusal> const& refusals) {
    std::vector<std::int64_t> ids;
    for (auto const& each : refusals) ids.push_back(each.row);
    postgres::remove_published(transaction, ids);
    transaction.commit();
    dropped += ids.size();
  });
  return dropped;
}

}  // namespace omnibus::cli
