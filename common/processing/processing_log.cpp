#include "processing/processing_log.hpp"

#include "observability/metrics.hpp"

#include <chrono>
#include <utility>

#include <pqxx/pqxx>

namespace omnibus::processing {
namespace {

std::optional<std::string> text_of(std::optional<Uuid> const& id) {
  return id ? std::optional{to_string(*id)} : std::nullopt;
}

// Inserts where no row was started, so that work that needs no checkpoint has its row, too; its time is not known. An
// event may name a tenant that is none.
constexpr auto end_statement = R"(
  INSERT INTO omniscient_processing_logs AS l (process_type, event_id, domain, action, status, target_id, target_type,
    metadata, error_message, processing_time_ms, tokens_used, cost_usd, completed_at)
  SELECT $1, $2, domain, $4, $5, $6::uuid, $7, jsonb_strip_nulls(jsonb_build_object('actor', $8::text)) || $12::jsonb,
    $9, NULL, $10::integer, $11::numeric, clock_timestamp()
  FROM tenants WHERE domain = $3
  ON CONFLICT (event_id, process_type) DO UPDATE
  SET status = EXCLUDED.status, target_id = COALESCE(EXCLUDED.target_id, l.target_id), metadata = EXCLUDED.metadata,
    error_message = EXCLUDED.error_message,
    processing_time_ms = LEAST(2147483647, 1000 * extract(epoch FROM clock_timestamp() - l.created_at)),
    tokens_used = EXCLUDED.tokens_used, cost_usd = EXCLUDED.cost_usd, completed_at = EXCLUDED.completed_at)";

void end(UnitOfWork& unit, Context& context, LoggedWork const& work, std::string const& status,
         std::optional<std::string> const& error, LoggedCost const& spent, std::string const& notes) {
  if (context.replaying()) return;
  unit.transaction().exec(end_statement,
                          pqxx::params{std::string{context.worker()}, to_string(context.event_key()), work.domain,
                                       work.action, status, text_of(work.target), work.target_type, text_of(work.actor),
                                       error, spent.tokens, spent.cost_usd, notes});
}

}  // namespace

Task<> start(Context& context, LoggedWork work) {
  if (context.replaying()) co_return;
  auto starting = context.checkpoint("started", [&](UnitOfWork& unit) {
    unit.transaction().exec(
        "INSERT INTO omniscient_processing_logs (process_type, event_id, domain, action, target_id, target_type, "
        "metadata) SELECT $1, $2, domain, $4, $5::uuid, $6, jsonb_strip_nulls(jsonb_build_object('actor', $7::text)) "
        "FROM tenants WHERE domain = $3 "
        "ON CONFLICT DO NOTHING",
        pqxx::params{std::string{context.worker()}, to_string(context.event_key()), work.domain, work.action,
                     text_of(work.target), work.target_type, text_of(work.actor)});
  });
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
