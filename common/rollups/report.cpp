#include "rollups/report.hpp"

#include "time/time.hpp"

#include <cmath>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::rollups {
namespace {

/// Where the rows stand that tell a query apart by what it asks for: the fewer columns, the fewer rows.
std::string_view table_for(bool by_domain, bool by_model) {
  if (by_model) return "chat_telemetry_model_rollups";
  return by_domain ? "chat_telemetry_domain_rollups" : "chat_telemetry_rollups";
}

/// Hours are read from quarters; days have rows of their own.
std::string_view kept_as(Granularity granularity) {
  return granularity == Granularity::day ? "1d" : "15m";
}

constexpr std::string_view sums_columns =
    "coalesce(sum(calls), 0)::bigint, coalesce(sum(failures), 0)::bigint, coalesce(sum(input_tokens), 0)::bigint, "
    "coalesce(sum(output_tokens), 0)::bigint, coalesce(sum(cost_usd), 0)::numeric(28,9), "
    "coalesce(sum(searches), 0)::bigint, coalesce(sum(zero_results), 0)::bigint, "
    "pipeline.histogram_quantile(pipeline.sum_histogram(duration_hist), 0.5), "
    "pipeline.histogram_quantile(pipeline.sum_histogram(duration_hist), 0.9), "
    "pipeline.histogram_quantile(pipeline.sum_histogram(duration_hist), 0.95), "
    "pipeline.histogram_quantile(pipeline.sum_histogram(duration_hist), 0.99)";

/// Reads the columns above, from the `first`th on.
template <class Row>
Sums sums_of(Row const& row, int first) {
  auto const number = [&](int column) { return row[first + column].template as<std::int64_t>(); };
  auto const percentile = [&](int column) {
    return std::round(row[first + column].template as<double>() * 100) / 100;  // to 10 µs: the rest is no information
  };
  Sums sums{number(0), number(1), number(2), number(3), row[first + 4].template as<std::string>(),
            number(5), number(6), {}};
  if (!row[first + 7].is_null()) sums.latency_ms = Latency{percentile(7), percentile(8), percentile(9), percentile(10)};
  return sums;
}

class Reader {
 public:
  Reader(pqxx::transaction_base& transaction, Query const& query) : transaction_{transaction}, query_{query} {}

  Report read() {
    Report report;
    report.from = format_time_ms(query_.from_ms);
    report.to = format_time_ms(query_.to_ms);
    report.granularity = to_string(query_.granularity);
    if (!query_.domain.empty()) report.domain = query_.domain;
    if (!query_.model.empty()) report.model = query_.model;
    read_trend(report);
    for (auto const& row : groups("provider, model", true, true))
      report.models.push_back({sums_of(row, 2), row[0].as<std::string>(), row[1].as<std::string>()});
    for (auto const& row : groups("domain", true, !query_.model.empty()))
      report.domains.push_back({sums_of(row, 1), row[0].as<std::string>()});
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
    // Every parameter must be used by someone for PostgreSQL to know its type.
    return text + " AND $4::text IS NOT NULL AND $5::text IS NOT NULL";
  }
  pqxx::params parameters(std::string_view granularity) const {
    return pqxx::params{granularity, format_time_ms(query_.from_ms), format_time_ms(query_.to_ms), query_.domain,
                        query_.model};
  }

  void read_trend(Report& report) {
    auto const table = table_for(!query_.domain.empty(), !query_.model.empty());
    auto const rows = transaction_.exec(
        fmt::format("SELECT (extract(epoch FROM start) * 1000)::bigint, {0} FROM (SELECT *, "
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
      if (row[0].is_null()) {
        report.totals = sums_of(row, 1);
        continue;
      }
      auto const start = row[0].as<std::int64_t>();
      add_empty_until(start);
      report.trend.push_back({sums_of(row, 1), format_time_ms(start)});
      next = start + width_ms(query_.granularity);
    }
    add_empty_until(query_.to_ms);
  }

  pqxx::result groups(std::string_view columns, bool by_domain, bool by_model) {
    auto const table = table_for(by_domain, by_model);
    return transaction_.exec(
        fmt::format("SELECT {0}, {1} FROM {2} WHERE {3} GROUP BY {0} ORDER BY sum(cost_usd) DESC, sum(calls) DESC, {0} "
                    "LIMIT {4}",
                    columns, sums_columns, table, conditions(table, ">= $2::timestamptz"), most_groups),
        parameters(kept_as(query_.granularity)));
  }

  std::int64_t read_live_sessions() {
    return transaction_
        .exec(
            "SELECT count(DISTINCT conversation_id) FROM chat_telemetry WHERE ts > now() - interval '5 minutes' "
            "AND ($1 = '' OR domain = $1) AND ($2 = '' OR request_model = $2)",
            pqxx::params{query_.domain, query_.model})
        .one_field()
        .as<std::int64_t>();
  }

  Projection read_projection(std::string const& cost) {
    auto const [hourly, monthly] =
        transaction_
            .exec(
                "SELECT round($1::numeric / hours, 9), round($1::numeric * 24 * 30 / hours, 9) FROM (SELECT "
                "greatest(extract(epoch FROM least($3::timestamptz, now()) - $2::timestamptz), 1) / 3600 AS hours) AS "
                "past",
                pqxx::params{cost, format_time_ms(query_.from_ms), format_time_ms(query_.to_ms)})
            .one_row()
            .as<std::string, std::string>();
    return {hourly, monthly};
  }

  Freshness read_freshness(std::string_view granularity, std::string_view limit) {
    auto const table = table_for(!query_.domain.empty(), !query_.model.empty());
    auto const row = transaction_
                         .exec(fmt::format("SELECT (extract(epoch FROM max(refreshed_at)) * 1000)::bigint, "
                                           "$3::timestamptz > now() - interval '{0}' AND coalesce(max(refreshed_at) < "
                                           "now() - interval '{0}', true) "
                                           "FROM {1} WHERE {2}",
                                           limit, table, conditions(table, "> $2::timestamptz - interval '1 day'")),
                               parameters(granularity))
                         .one_row();
    Freshness freshness{std::string{granularity}, {}, row[1].as<bool>()};
    if (!row[0].is_null()) freshness.refreshed_at = format_time_ms(row[0].as<std::int64_t>());
    return freshness;
  }

  pqxx::transaction_base& transaction_;
  Query const& query_;
};

}  // namespace

Report read_report(pqxx::transaction_base& transaction, Query const& query) {
  return Reader{transaction, query}.read();
}

}  // namespace omnibus::rollups
