#include "workers/telemetry/store.hpp"

#include "handler/failure.hpp"
#include "postgres/binary_copy.hpp"
#include "postgres/rows.hpp"
#include "time/time.hpp"

#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

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
    "iterations, tool_calls, search_calls, search_zero_results, finish_reason, success, error_type, fallback_from, "
    "replay_id";

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

/// The partition of a day, which `open_days` has made.
std::string partition_of(std::int64_t day_start_ms) {
  auto name = "chat_telemetry_" + format_time_ms(day_start_ms).substr(0, 10);
  std::erase(name, '-');
  return name;
}

std::int64_t day_of(Call const& call) {
  return call.time_ms - call.time_ms % day_ms;
}

/// Rows of the rollup tables, as the arguments of pipeline.add_telemetry_rollups.
class RollupRows {
 public:
  explicit RollupRows(std::size_t size)
      : keys_{size},
        granularities_{size},
        starts_{size},
        domains_{size},
        providers_{size},
        models_{size},
        calls_{size},
        failures_{size},
        inputs_{size},
        outputs_{size},
        costs_{size},
        durations_{size},
        histograms_{size},
        searches_{size},
        zero_results_{size} {}

  /// @param keys how many columns the table's key has besides granularity and bucket_start
  void add(int keys, Rollup const& rollup) {
    for (auto const& [row, totals] : rollup) {
      keys_.add(keys);
      granularities_.add_plain(row.daily ? "1d" : "15m");
      starts_.add_plain(format_time_ms(row.bucket_start_ms));
      domains_.add_text(row.domain);
      providers_.add_text(row.provider);
      models_.add_text(row.model);
      calls_.add(totals.calls);
      failures_.add(totals.failures);
      inputs_.add(totals.input_tokens);
      outputs_.add(totals.output_tokens);
      costs_.add_plain(decimal(totals.cost_nano_usd));
      durations_.add(totals.duration_sum_ms);
      histograms_.add_text(totals.durations.to_array());
      searches_.add(totals.searches);
      zero_results_.add(totals.zero_results);
    }
  }
  pqxx::params parameters() && {
    return pqxx::params{
        std::move(keys_).text(),       std::move(granularities_).text(), std::move(starts_).text(),
        std::move(domains_).text(),    std::move(providers_).text(),     std::move(models_).text(),
        std::move(calls_).text(),      std::move(failures_).text(),      std::move(inputs_).text(),
        std::move(outputs_).text(),    std::move(costs_).text(),         std::move(durations_).text(),
        std::move(histograms_).text(), std::move(searches_).text(),      std::move(zero_results_).text()};
  }

 private:
  Array keys_, granularities_, starts_, domains_, providers_, models_, calls_, failures_, inputs_, outputs_, costs_,
      durations_, histograms_, searches_, zero_results_;
};

}  // namespace

void open_days(pqxx::transaction_base& transaction, std::vector<Call> const& calls) {
  std::set<std::int64_t> days;
  for (auto const& call : calls) days.insert(day_of(call));
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

bool claim_new_calls(pqxx::transaction_base& transaction, std::vector<CallKey> const& keys) {
  transaction.exec("SAVEPOINT claim");
  try {
    postgres::BinaryCopy rows{transaction, "pipeline.telemetry_calls (call_id, day)"};
    for (auto const& [call_id, time_ms] : keys) rows.add(call_id, postgres::Date{time_ms});
    rows.complete();
    return true;
  } catch (pqxx::unique_violation const&) {
    transaction.exec("ROLLBACK TO SAVEPOINT claim");
    return false;
  }
}

std::unordered_set<Uuid> claim_calls(pqxx::transaction_base& transaction, std::vector<CallKey> const& keys) {
  Array ids{keys.size() * 3}, days{keys.size()};
  for (auto const& [call_id, time_ms] : keys) {
    ids.add_plain(to_string(call_id));
    days.add_plain(std::string_view{format_time_ms(time_ms)}.substr(0, 10));
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
  std::map<std::int64_t, std::vector<Call const*>> days;
  for (auto const& call : calls) days[day_of(call)].push_back(&call);
  auto const replay = replay_id == Uuid{} ? std::nullopt : std::optional{replay_id};
  // Into the partitions, which have no row-level security: PostgreSQL has no COPY into chat_telemetry.
  for (auto const& [day, calls_of_day] : days) {
    postgres::BinaryCopy rows{transaction, fmt::format("{} ({})", partition_of(day), columns)};
    for (auto const* const call : calls_of_day) {
      auto const& told = *call->told;
      rows.add(told.call_id, postgres::Timestamp{call->time_ms}, told.domain, told.conversation_id, told.worker,
               told.operation, told.provider, told.request_model, told.response_model, told.input_tokens,
               told.output_tokens, told.cached_input_tokens, told.reasoning_tokens, told.usage_estimated,
               postgres::Nano{call->cost_nano_usd}, told.duration_ms, told.ttft_ms, as_int(told.iterations),
               as_int(told.tool_calls), as_int(told.search_calls), as_int(told.search_zero_results), told.finish_reason,
               call->success, unless_empty(call->error_type), told.fallback_from, replay);
    }
    rows.complete();
  }
}

void add_rollups(pqxx::transaction_base& transaction, Rollups const& rollups) {
  RollupRows rows{rollups.by_model().size() + rollups.by_domain().size() + rollups.all().size()};
  rows.add(3, rollups.by_model());
  rows.add(1, rollups.by_domain());
  rows.add(0, rollups.all());
  transaction.exec(
      "SELECT pipeline.add_telemetry_rollups($1::int[], $2::text[], $3::timestamptz[], $4::text[], $5::text[],"
      " $6::text[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::numeric[], $12::bigint[],"
      " $13::text[], $14::bigint[], $15::bigint[])",
      std::move(rows).parameters());
}

}  // namespace omnibus::telemetry
