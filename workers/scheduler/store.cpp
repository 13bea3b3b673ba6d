#include "workers/scheduler/store.hpp"

#include "faults/failpoint.hpp"
#include "postgres/rows.hpp"
#include "workers/scheduler/tick_record.hpp"

#include <pqxx/pqxx>

namespace omnibus::scheduler {
namespace {

constexpr std::size_t most_unpublished = 1'000;

postgres::OutboxSource source() {
  return {"scheduler", std::string{ticks_topic}, 0};
}

}  // namespace

void end_when_silent(pqxx::connection& connection, std::chrono::milliseconds limit) {
  pqxx::nontransaction session{connection};
  auto const ms = std::to_string(limit.count());
  session.exec("SET idle_session_timeout = " + ms + "; SET idle_in_transaction_session_timeout = " + ms);
}

bool become_active(pqxx::connection& connection) {
  if (OMNIBUS_MUTATED("schedule_lock")) return true;
  return pqxx::nontransaction{connection}.query_value<bool>(
      "SELECT pg_try_advisory_lock(hashtextextended('scheduler', 0))");
}

std::vector<StoredSchedule> read_due(pqxx::transaction_base& transaction) {
  return postgres::read<StoredSchedule>(transaction,
                                        R"(
      SELECT name, (extract(epoch FROM every) * 1000)::bigint AS every_ms, at, next_at::text AS planned,
             floor(extract(epoch FROM next_at) * 1000)::bigint AS planned_ms,
             floor(extract(epoch FROM now()) * 1000)::bigint AS now_ms
      FROM pipeline.schedules WHERE enabled AND (next_at IS NULL OR next_at <= now()) ORDER BY name)");
}

void plan(pqxx::transaction_base& transaction, StoredSchedule const& schedule, std::int64_t next_ms) {
  transaction.exec(
      "UPDATE pipeline.schedules SET next_at = to_timestamp($2::float8 / 1000)"
      " WHERE name = $1 AND next_at IS NULL AND enabled",
      pqxx::params{schedule.name, next_ms});
}

bool move_on(pqxx::transaction_base& transaction, StoredSchedule const& schedule, DueTick const& tick) {
  std::string statement =
      "UPDATE pipeline.schedules SET last_at = to_timestamp($3::float8 / 1000),"
      " next_at = to_timestamp($4::float8 / 1000) WHERE name = $1";
  statement += OMNIBUS_MUTATED("schedule_cas") ? " AND $2 <> ''" : " AND next_at = $2::timestamptz AND enabled";
  return transaction.exec(statement, pqxx::params{schedule.name, schedule.planned, tick.due_ms, tick.next_ms})
             .affected_rows() == 1;
}

void add_ticks(pqxx::transaction_base& transaction, std::span<kafka::Record const> ticks) {
  if (ticks.empty()) return;
  // A block of ids, of which these are the first.
  auto id = transaction.query_value<std::int64_t>("SELECT nextval('pipeline.outbox_id')");
  std::vector<OutboxRow> rows;
  rows.reserve(ticks.size());
  for (auto const& tick : ticks) rows.push_back({id++, tick});
  transaction.exec(postgres::outbox_insert(transaction.conn(), source(), rows));
}

std::vector<OutboxRow> read_unpublished(pqxx::connection& connection) {
  pqxx::nontransaction query{connection};
  return postgres::take_unpublished(query, source(), most_unpublished);
}

}  // namespace omnibus::scheduler
