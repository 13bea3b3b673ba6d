#include "processing/processing_log.hpp"

#include "observability/metrics.hpp"
#include "postgres/column.hpp"
#include "postgres/prepared.hpp"

#include <chrono>
#include <utility>
#include <variant>
#include <vector>

#include <pqxx/pqxx>

namespace omnibus::processing {
namespace {

std::optional<std::string> text_of(std::optional<Uuid> const& id) {
  return id ? std::optional{to_string(*id)} : std::nullopt;
}

/// A row of the processing log, as its start or its end writes it.
struct LogRow {
  std::string process;
  std::string event_id;
  LoggedWork work;
  std::string status = {};
  std::optional<std::string> error = std::nullopt;
  LoggedCost spent = {};
  std::string notes = "{}";
};

// An event may name a tenant that is none. The row is the same whoever writes it, so that it needs no inbox row.
constexpr postgres::Prepared start_work{"start_work", R"(
  INSERT INTO omniscient_processing_logs (process_type, event_id, domain, action, target_id, target_type, metadata)
  SELECT r.process, r.event_id, t.domain, r.action, r.target, r.target_type,
         jsonb_strip_nulls(jsonb_build_object('actor', r.actor))
  FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::text[])
    AS r (process, event_id, domain, action, target, target_type, actor)
  JOIN tenants t ON t.domain = r.domain
  ORDER BY r.event_id
  ON CONFLICT DO NOTHING)"};

// Inserts where no row was started, so that work that needs no checkpoint has its row, too; its time is not known. Of
// several ends of one event the last counts.
constexpr auto end_statement = R"(
  INSERT INTO omniscient_processing_logs AS l (process_type, event_id, domain, action, status, target_id, target_type,
    metadata, error_message, processing_time_ms, tokens_used, cost_usd, completed_at)
  SELECT DISTINCT ON (r.event_id, r.process) r.process, r.event_id, t.domain, r.action, r.status, r.target,
    r.target_type, jsonb_strip_nulls(jsonb_build_object('actor', r.actor)) || r.notes, r.error, NULL::integer,
    r.tokens, r.cost_usd, clock_timestamp()
  FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::text[],
              $9::text[], $10::integer[], $11::numeric[], $12::jsonb[]) WITH ORDINALITY
    AS r (process, event_id, domain, action, target, target_type, actor, status, error, tokens, cost_usd, notes,
          ordinal)
  JOIN tenants t ON t.domain = r.domain
  ORDER BY r.event_id, r.process, r.ordinal DESC
  ON CONFLICT (event_id, process_type) DO UPDATE
  SET status = EXCLUDED.status, target_id = COALESCE(EXCLUDED.target_id, l.target_id), metadata = EXCLUDED.metadata,
    error_message = EXCLUDED.error_message,
    processing_time_ms = LEAST(2147483647, 1000 * extract(epoch FROM clock_timestamp() - l.created_at)),
    tokens_used = EXCLUDED.tokens_used, cost_usd = EXCLUDED.cost_usd, completed_at = EXCLUDED.completed_at)";

pqxx::params columns_of(std::vector<LogRow> const& rows) {
  using postgres::column;
  return {column(rows, [](LogRow const& row) { return row.process; }),
          column(rows, [](LogRow const& row) { return row.event_id; }),
          column(rows, [](LogRow const& row) { return row.work.domain; }),
          column(rows, [](LogRow const& row) { return row.work.action; }),
          column(rows, [](LogRow const& row) { return text_of(row.work.target); }),
          column(rows, [](LogRow const& row) { return row.work.target_type; }),
          column(rows, [](LogRow const& row) { return text_of(row.work.actor); })};
}

std::vector<std::monostate> write_starts(pqxx::connection& connection, std::vector<LogRow> const& rows) {
  pqxx::nontransaction statement{connection};
  postgres::run_prepared(statement, start_work, columns_of(rows));
  return std::vector<std::monostate>(rows.size());
}

std::vector<std::monostate> write_ends(pqxx::transaction_base& transaction, std::vector<LogRow> const& rows) {
  using postgres::column;
  auto params = columns_of(rows);
  params.append(column(rows, [](LogRow const& row) { return row.status; }));
  params.append(column(rows, [](LogRow const& row) { return row.error; }));
  params.append(column(rows, [](LogRow const& row) { return row.spent.tokens; }));
  params.append(column(rows, [](LogRow const& row) { return row.spent.cost_usd; }));
  params.append(column(rows, [](LogRow const& row) { return row.notes; }));
  transaction.exec(end_statement, params);
  return std::vector<std::monostate>(rows.size());
}

LogRow row_of(Context& context, LoggedWork work) {
  return {std::string{context.worker()}, to_string(context.event_key()), std::move(work)};
}

void end(UnitOfWork& unit, Context& context, LoggedWork const& work, std::string const& status,
         std::optional<std::string> const& error, LoggedCost const& spent, std::string const& notes) {
  if (context.replaying()) return;
  auto row = row_of(context, work);
  row.status = status;
  row.error = error;
  row.spent = spent;
  row.notes = notes;
  unit.write_together<write_ends>(std::move(row), [](std::monostate) {});
}

}  // namespace

Task<> start(Context& context, LoggedWork work) {
  if (context.replaying()) co_return;
  auto starting = context.note_together<write_starts>(row_of(context, std::move(work)));
  co_await std::move(starting);
}

void complete(UnitOfWork& unit, Context& context, LoggedWork const& work, LoggedCost const& spent,
              std::string const& notes) {
  end(unit, context, work, "completed", std::nullopt, spent, notes);
}

void fail(UnitOfWork& unit, Context& context, LoggedWork const& work, Failure const& failure) {
  end(unit, context, work, "failed", failure.error_class(), {}, "{}");
}

void observe_duration(Context const& context, std::string_view action) {
  std::chrono::duration<double> const took = context.waiting_for();
  Metrics::process().histogram<Metric::processing_duration>(action).observe(took.count());
}

}  // namespace omnibus::processing
