#include "rollups/report.hpp"

#include "postgres/rows.hpp"
#include "time/time.hpp"

#include <cmath>
#include <string_view>
#include <utility>

#include <boost/describe/class.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::rollups {
namespace {

/// The rollup that answers a query with these filters: the fewer columns, the fewer rows.
std::string_view table_for(bool by_domain, bool by_model) {
  if (by_model) return "chat_telemetry_model_rollups";
  return by_domain ? "chat_telemetry_domain_rollups" : "chat_telemetry_rollups";
}

/// Hours are computed from quarters; days have their own rows.
std::string_view kept_as(Granularity granularity) {
  return granularity == Granularity::day ? "1d" : "15m";
}

constexpr std::string_view sums_columns =
    "coalesce(sum(calls), 0)::bigint AS calls, coalesce(sum(failures), 0)::bigint AS errors, "
    "coalesce(sum(input_tokens), 0)::bigint AS input_tokens, coalesce(sum(output_tokens), 0)::bigint AS output_tokens, "
    "coalesce(sum(cost_usd), 0)::numeric(28,9) AS cost_usd, coalesce(sum(searches), 0)::bigint AS searches, "
    "coalesce(sum(zero_results), 0)::bigint AS searches_without_result, "
    "pipeline.histogram_quantile(pipeline.sum_histogram(duration_hist), 0.5) AS p50, "
    "pipeline.histogram_quantile(pipeline.sum_histogram(duration_hist), 0.9) AS p90, "
    "pipeline.histogram_quantile(pipeline.sum_histogram(duration_hist), 0.95) AS p95, "
    "pipeline.histogram_quantile(pipeline.sum_histogram(duration_hist), 0.99) AS p99";

/// The columns above.
struct SumsRow {
  std::int64_t calls = 0;
  std::int64_t errors = 0;
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
  std::string cost_usd;
  std::int64_t searches = 0;
  std::int64_t searches_without_result = 0;
  std::optional<double> p50, p90, p95, p99;
};
BOOST_DESCRIBE_STRUCT(SumsRow, (),
                      (calls, errors, input_tokens, output_tokens, cost_usd, searches, searches_without_result, p50,
                       p90, p95, p99))

struct BucketRow : SumsRow {
  std::optional<std::int64_t> start_ms;  ///< absent for the whole range
};
BOOST_DESCRIBE_STRUCT(BucketRow, (SumsRow), (start_ms))

struct ModelRow : SumsRow {
  std::string provider, model;
};
BOOST_DESCRIBE_STRUCT(ModelRow, (SumsRow), (provider, model))

struct DomainRow : SumsRow {
  std::string domain;
};
BOOST_DESCRIBE_STRUCT(DomainRow, (SumsRow), (domain))

struct FreshnessRow {
  std::optional<std::int64_t> refreshed_ms;
  bool stale = false;
};
BOOST_DESCRIBE_STRUCT(FreshnessRow, (), (refreshed_ms, stale))

Sums sums_of(SumsRow const& row) {
  auto const rounded = [](std::optional<double> ms) {
    return std::round(ms.value() * 100) / 100;  // to 10 µs: the rest is no information
  };
  Sums sums{row.calls,
            row.errors,
            row.input_tokens,
            row.output_tokens,
            row.cost_usd,
            row.searches,
            row.searches_without_result,
            {}};
  if (row.p50) sums.latency_ms = Latency{rounded(row.p50), rounded(row.p90), rounded(row.p95), rounded(row.p99)};
  return sums;
}

class ReportReader {
 public:
  ReportReader(pqxx::transaction_base& transaction, Query const& query) : transaction_{transaction}, query_{query} {}

  Report read() {
    Report report;
    report.from = format_time_ms(query_.from_ms);
    report.to = format_time_ms(query_.to_ms);
    report.granularity = to_string(query_.granularity);
    if (!query_.domain.empty()) report.domain = query_.domain;
    if (!query_.model.empty()) report.model = query_.model;
    read_trend(report);
    for (auto const& row : groups<ModelRow>("provider, model", true, true))
      report.models.push_back({sums_of(row), row.provider, row.model});
    for (auto const& row : groups<DomainRow>("domain", true, !query_.model.empty()))
      report.domains.push_back({sums_of(row), row.domain});
    report.live_sessions = read_live_sessions();
    report.projection = read_projection(report.totals.cost_usd);
    report.freshness = {read_freshness("15m", "45 minutes"), read_freshness("1d", "26 hours")};
    return report;
  }

 private:
  /// Conditions of the query, with parameters $1 to $5, for a table with these columns.
  static std::string conditions(std::string_view table, std::string_view lower_bound) {
    auto text = fmt::format("granularity = $1 AND bucket_start {} AND bucket_start < $3::timestamptz", lower_bound);
    if (table != table_for(false, false)) text += " AND ($4 = '' OR domain = $4)";
    if (table == table_for(true, true)) text += " AND ($5 = '' OR model = $5)";
    // PostgreSQL knows a parameter's type only if it is used somewhere.
    return text + " AND $4::text IS NOT NULL AND $5::text IS NOT NULL";
  }
  pqxx::params parameters(std::string_view granularity) const {
    return pqxx::params{granularity, format_time_ms(query_.from_ms), format_time_ms(query_.to_ms), query_.domain,
                        query_.model};
  }

  void read_trend(Report& report) {
    auto const table = table_for(!query_.domain.empty(), !query_.model.empty());
    auto const rows = postgres::read<BucketRow>(
        transaction_,
        fmt::format("SELECT (extract(epoch FROM start) * 1000)::bigint AS start_ms, {0} FROM (SELECT *, "
                    "date_bin(make_interval(secs => {1}), "
                    "bucket_start, '2000-01-01 00:00:00+00') AS start FROM {2} WHERE {3}) AS kept "
                    "GROUP BY GROUPING SETS ((start), ()) ORDER BY start NULLS LAST",
                    sums_columns, width_ms(query_.granularity) / 1000, table, conditions(table, ">= $2::timestamptz")),
        parameters(kept_as(query_.granularity)));
    auto next = query_.from_ms;
    auto const add_empty_until = [&](std::int64_t end) {
      for (; next < end; next += width_ms(query_.granularity)) report.trend.push_back({{}, format_time_ms(next)});
    };
    for (auto const& row : rows) {
      if (!row.start_ms) {
        report.totals = sums_of(row);
        continue;
      }
      add_empty_until(*row.start_ms);
      report.trend.push_back({sums_of(row), format_time_ms(*row.start_ms)});
      next = *row.start_ms + width_ms(query_.granularity);
    }
    add_empty_until(query_.to_ms);
  }

  template <class Row>
  std::vector<Row> groups(std::string_view columns, bool by_domain, bool by_model) {
    auto const table = table_for(by_domain, by_model);
    return postgres::read<Row>(
        transaction_,
        fmt::format("SELECT {0}, {1} FROM {2} WHERE {3} GROUP BY {0} ORDER BY sum(cost_usd) DESC, sum(calls) DESC, {0} "
                    "LIMIT {4}",
                    columns, sums_columns, table, conditions(table, ">= $2::timestamptz"), most_groups),
        parameters(kept_as(query_.granularity)));
  }

  std::int64_t read_live_sessions() {
    return transaction_.query_value<std::int64_t>(
        "SELECT count(DISTINCT conversation_id) FROM chat_telemetry WHERE ts > now() - interval '5 minutes' "
        "AND ($1 = '' OR domain = $1) AND ($2 = '' OR request_model = $2)",
        pqxx::params{query_.domain, query_.model});
  }

  Projection read_projection(std::string const& cost) {
    return postgres::read_one<Projection>(
        transaction_,
        "SELECT round($1::numeric / hours, 9) AS cost_usd_per_hour, "
        "round($1::numeric * 24 * 30 / hours, 9) AS cost_usd_in_30_days FROM (SELECT "
        "greatest(extract(epoch FROM least($3::timestamptz, now()) - $2::timestamptz), 1) / 3600 AS hours) AS past",
        pqxx::params{cost, format_time_ms(query_.from_ms), format_time_ms(query_.to_ms)});
  }

  Freshness read_freshness(std::string_view granularity, std::string_view limit) {
    auto const table = table_for(!query_.domain.empty(), !query_.model.empty());
    auto const row = postgres::read_one<FreshnessRow>(
        transaction_,
        fmt::format("SELECT (extract(epoch FROM max(refreshed_at)) * 1000)::bigint AS refreshed_ms, "
                    "$3::timestamptz > now() - interval '{0}' AND coalesce(max(refreshed_at) < "
                    "now() - interval '{0}', true) AS stale "
                    "FROM {1} WHERE {2}",
                    limit, table, conditions(table, "> $2::timestamptz - interval '1 day'")),
        parameters(granularity));
    Freshness freshness{std::string{granularity}, {}, row.stale};
    if (row.refreshed_ms) freshness.refreshed_at = format_time_ms(*row.refreshed_ms);
    return freshness;
  }

  pqxx::transaction_base& transaction_;
  Query const& query_;
};

}  // namespace

Report read_report(pqxx::transaction_base& transaction, Query const& query) {
  return ReportReader{transaction, query}.read();
}

}  // namespace omnibus::rollups
