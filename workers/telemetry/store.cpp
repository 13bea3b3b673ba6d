#include "workers/telemetry/store.hpp"

#include "handler/failure.hpp"
#include "postgres/binary_copy.hpp"
#include "postgres/rows.hpp"
#include "time/time.hpp"

#include <charconv>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::telemetry {
namespace {

/// An array of PostgreSQL as text, in one piece for a thousand elements.
class Array {
 public:
  explicit Array(std::size_t size) { text_.reserve(size * 16); }

  void add(std::int64_t number) {
    char digits[20];
    auto const end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    add_plain({digits, static_cast<std::size_t>(end - digits)});
  }
  /// An array element without quotes, such as a UUID.
  void add_plain(std::string_view element) {
    separate();
    text_ += element;
  }
  void add_text(std::string_view element) {
    separate();
    text_ += '"';
    for (auto const c : element) {
      if (c == '"' || c == '\\') text_ += '\\';
      text_ += c;
    }
    text_ += '"';
  }
  std::string text() && {
    text_ += '}';
    return std::move(text_);
  }

 private:
  void separate() {
    if (text_.size() > 1) text_ += ',';
  }

  std::string text_ = "{";
};

constexpr std::string_view columns =
    "call_id, ts, domain, conversation_id, worker, operation, provider, request_model, response_model, input_tokens, "
    "output_tokens, cached_input_tokens, reasoning_tokens, usage_estimated, cost_usd, duration_ms, ttft_ms, "
    "iterations, tool_calls, search_calls, search_zero_results, finish_reason, success, error_type, fallback_from";

std::optional<std::string_view> unless_empty(std::string_view text) {
  return text.empty() ? std::nullopt : std::optional{text};
}

/// Of a count that read_call() has seen to be small.
std::optional<std::int32_t> as_int(std::optional<std::int64_t> count) {
  return count ? std::optional{static_cast<std::int32_t>(*count)} : std::nullopt;
}

std::string decimal(std::int64_t nano) {
  return fmt::format("{}.{:09}", nano / 1'000'000'000, nano % 1'000'000'000);
}

/// Adds the rows of one table. `key` names its key columns besides granularity and bucket_start, `$3` to `$5`.
void add_rollup(pqxx::transaction_base& transaction, std::string_view table, std::string_view key,
                Rollup const& rollup) {
  auto const size = rollup.size();
  Array granularities{size}, starts{size}, domains{size}, providers{size}, models{size}, calls{size}, failures{size},
      inputs{size}, outputs{size}, costs{size}, durations{size}, histograms{size}, searches{size}, zero_results{size};
  for (auto const& [row, totals] : rollup) {
    granularities.add_plain(row.daily ? "1d" : "15m");
    starts.add_plain(format_time_ms(row.bucket_start_ms));
    domains.add_text(row.domain);
    providers.add_text(row.provider);
    models.add_text(row.model);
    calls.add(totals.calls);
    failures.add(totals.failures);
    inputs.add(totals.input_tokens);
    outputs.add(totals.output_tokens);
    costs.add_plain(decimal(totals.cost_nano_usd));
    durations.add(totals.duration_sum_ms);
    histograms.add_text(totals.durations.to_array());
    searches.add(totals.searches);
    zero_results.add(totals.zero_results);
  }
  // Rows are locked in the order of insertion, and every batch is sorted, so there is no deadlock.
  auto const sql = fmt::format(
      "INSERT INTO {0} AS r (granularity, bucket_start{1}, calls, successes, failures, input_tokens, output_tokens,"
      " cost_usd, duration_sum_ms, duration_hist, searches, zero_results) "
      "SELECT granularity, bucket_start{1}, calls, calls - failures, failures, input_tokens, output_tokens, cost_usd,"
      " duration_sum_ms, duration_hist::int[], searches, zero_results "
      "FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],"
      " $8::bigint[], $9::bigint[], $10::numeric[], $11::bigint[], $12::text[], $13::bigint[], $14::bigint[])"
      " AS added (granularity, bucket_start, domain, provider, model, calls, failures, input_tokens, output_tokens,"
      " cost_usd, duration_sum_ms, duration_hist, searches, zero_results) "
      "ORDER BY granularity, bucket_start{1} "
      "ON CONFLICT (granularity, bucket_start{1}) DO UPDATE SET calls = r.calls + excluded.calls,"
      " successes = r.successes + excluded.successes, failures = r.failures + excluded.failures,"
      " input_tokens = r.input_tokens + excluded.input_tokens,"
      " output_tokens = r.output_tokens + excluded.output_tokens, cost_usd = r.cost_usd + excluded.cost_usd,"
      " duration_sum_ms = r.duration_sum_ms + excluded.duration_sum_ms,"
      " duration_hist = pipeline.add_histogram(r.duration_hist, excluded.duration_hist),"
      " searches = r.searches + excluded.searches, zero_results = r.zero_results + excluded.zero_results,"
      " refreshed_at = excluded.refreshed_at",
      table, key);
  transaction.exec(sql,
                   pqxx::params{std::move(granularities).text(), std::move(starts).text(), std::move(domains).text(),
                                std::move(providers).text(), std::move(models).text(), std::move(calls).text(),
                                std::move(failures).text(), std::move(inputs).text(), std::move(outputs).text(),
                                std::move(costs).text(), std::move(durations).text(), std::move(histograms).text(),
                                std::move(searches).text(), std::move(zero_results).text()});
}

}  // namespace

void open_days(pqxx::transaction_base& transaction, std::vector<Call> const& calls) {
  std::set<std::int64_t> days;
  for (auto const& call : calls) days.insert(call.time_ms - call.time_ms % day_ms);
  Array dates{days.size()};
  for (auto const day : days) dates.add_plain(format_time_ms(day).substr(0, 10));
  try {
    transaction.exec("SELECT pipeline.open_telemetry_days($1::date[])", pqxx::params{std::move(dates).text()});
  } catch (pqxx::sql_error const& error) {
    if (error.sqlstate() == "22008")
      throw Failure::permanent("its time is outside the range that telemetry stores", "clock");
    throw;
  }
}

bool claim_new_calls(pqxx::transaction_base& transaction, std::vector<Call> const& calls) {
  transaction.exec("SAVEPOINT claim");
  try {
    postgres::BinaryCopy keys{transaction, "pipeline.telemetry_calls (call_id, day)"};
    for (auto const& call : calls) keys.add(call.told->call_id, postgres::Date{call.time_ms});
    keys.complete();
    return true;
  } catch (pqxx::unique_violation const&) {
    transaction.exec("ROLLBACK TO SAVEPOINT claim");
    return false;
  }
}

std::unordered_set<Uuid> claim_calls(pqxx::transaction_base& transaction, std::vector<Call> const& calls) {
  Array ids{calls.size() * 3}, days{calls.size()};
  for (auto const& call : calls) {
    ids.add_plain(to_string(call.told->call_id));
    days.add_plain(std::string_view{format_time_ms(call.time_ms)}.substr(0, 10));
  }
  auto const claimed = postgres::read<Uuid>(
      transaction,
      "INSERT INTO pipeline.telemetry_calls AS t (call_id, day) "
      "SELECT c.call_id, c.day FROM unnest($1::uuid[], $2::date[]) AS c (call_id, day) ORDER BY c.call_id "
      "ON CONFLICT DO NOTHING RETURNING t.call_id",
      pqxx::params{std::move(ids).text(), std::move(days).text()});
  return {claimed.begin(), claimed.end()};
}

void insert_calls(pqxx::transaction_base& transaction, std::vector<Call> const& calls, Uuid const& replay_id) {
  // By way of a table of the session's own, in memory and in no log: PostgreSQL has no COPY into a table that has
  // row-level security.
  transaction.exec("SELECT pipeline.stage_calls()");
  postgres::BinaryCopy rows{transaction, fmt::format("pg_temp.staged_calls ({})", columns)};
  for (auto const& call : calls) {
    auto const& told = *call.told;
    rows.add(told.call_id, postgres::Timestamp{call.time_ms}, told.domain, told.conversation_id, told.worker,
             told.operation, told.provider, told.request_model, told.response_model, told.input_tokens,
             told.output_tokens, told.cached_input_tokens, told.reasoning_tokens, told.usage_estimated,
             postgres::Nano{call.cost_nano_usd}, told.duration_ms, told.ttft_ms, as_int(told.iterations),
             as_int(told.tool_calls), as_int(told.search_calls), as_int(told.search_zero_results), told.finish_reason,
             call.success, unless_empty(call.error_type), told.fallback_from);
  }
  rows.complete();
  std::optional<std::string> replay;
  if (replay_id != Uuid{}) replay = to_string(replay_id);
  transaction.exec(
      fmt::format("INSERT INTO chat_telemetry ({0}, replay_id) SELECT {0}, $1::uuid FROM pg_temp.staged_calls",
                  columns),
      pqxx::params{replay});
}

// The rows that everybody adds to come last, and so are locked for the shortest time: a worker that waits for a row of
// one tenant keeps no other from its own. The tables are locked before, in the order of pipeline.rebuild_telemetry.
void add_rollups(pqxx::transaction_base& transaction, Rollups const& rollups) {
  transaction.exec(
      "LOCK TABLE chat_telemetry_rollups, chat_telemetry_domain_rollups, chat_telemetry_model_rollups"
      " IN ROW EXCLUSIVE MODE");
  add_rollup(transaction, "chat_telemetry_model_rollups", ", domain, provider, model", rollups.by_model());
  add_rollup(transaction, "chat_telemetry_domain_rollups", ", domain", rollups.by_domain());
  add_rollup(transaction, "chat_telemetry_rollups", "", rollups.all());
}

}  // namespace omnibus::telemetry
