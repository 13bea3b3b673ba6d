/// The telemetry worker's role in a migrated database, and what it wrote.
#pragma once

#include "handler/failure.hpp"
#include "items.hpp"
#include "tests/common/postgres/database_fixture.hpp"
#include "workers/telemetry/handler.hpp"

#include <functional>
#include <span>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

namespace omnibus::telemetry::test {

inline constexpr char const* rollup_tables[] = {"chat_telemetry_rollups", "chat_telemetry_domain_rollups",
                                                "chat_telemetry_model_rollups"};

/// A connection of the telemetry worker's role, and the handler on it.
class TelemetrySession {
 public:
  explicit TelemetrySession(omnibus::test::TestDatabase const& database) : connection_{database.url_as("telemetry")} {}
  TelemetrySession(omnibus::test::TestDatabase const& database, Uuid const& replay_id)
      : connection_{database.url_as("replay")}, handler_{replay_id} {}

  void apply(std::span<Item const* const> items) {
    pqxx::work transaction{connection_};
    handler_.apply(transaction, {items.begin(), items.end()});
    transaction.commit();
  }
  void apply(std::vector<Item> const& items) { apply(pointers(items)); }
  /// As a worker that dies before its commit.
  void apply_and_die(std::vector<Item> const& items) {
    pqxx::work transaction{connection_};
    handler_.apply(transaction, pointers(items));
  }
  static std::vector<Item const*> pointers(std::vector<Item> const& items) {
    std::vector<Item const*> all;
    all.reserve(items.size());
    for (auto const& item : items) all.push_back(&item);
    return all;
  }

 private:
  pqxx::connection connection_;
  TelemetryHandler handler_;
};

class TelemetryDatabase : public omnibus::test::TestDatabase {
 public:
  std::string value(std::string const& query) const {
    pqxx::connection connection{url()};
    return pqxx::nontransaction{connection}.exec(query).one_field().as<std::string>("null");
  }
  std::vector<std::string> rollups() const {
    std::vector<std::string> all;
    for (auto const* const table : rollup_tables) all.push_back(sorted_content(table));
    return all;
  }
  void rebuild_all() const {
    value("SELECT sum(pipeline.rebuild_telemetry(day)) FROM (SELECT DISTINCT day FROM pipeline.telemetry_calls) d");
  }

 private:
  std::string sorted_content(std::string const& table) const {
    return value(
        "SELECT string_agg(row, E'\\n' ORDER BY row COLLATE \"C\") FROM (SELECT (to_jsonb(t) - 'refreshed_at' || "
        "jsonb_build_object('duration_hist', duration_hist::text))::text AS row FROM " +
        table + " t) rows");
  }
};

/// Sums of the raw rows, grouped as a rollup table is, beside the table: 0 differences is what must be.
inline std::string differences(TelemetryDatabase const& database, std::string const& table, std::string const& keys) {
  std::string const sums =
      "calls, successes, failures, input_tokens, output_tokens, cost_usd, duration_sum_ms, searches, zero_results";
  return database.value(
      "WITH raw AS (SELECT g.granularity, date_bin(g.width, ts, '2000-01-01 00:00:00+00') AS bucket_start" + keys +
      ", count(*) AS calls, count(*) FILTER (WHERE success) AS successes, count(*) FILTER (WHERE error_type IS NOT "
      "NULL) "
      "AS failures, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(cost_usd) AS cost_usd, "
      "sum(duration_ms) AS duration_sum_ms, coalesce(sum(search_calls), 0) AS searches, "
      "coalesce(sum(search_zero_results), 0) AS zero_results FROM (SELECT *, request_model AS model FROM "
      "chat_telemetry) c, "
      "(VALUES ('15m', interval '15 minutes'), ('1d', interval '1 day')) AS g (granularity, width) GROUP BY 1, 2" +
      keys + "), kept AS (SELECT granularity, bucket_start" + keys + ", " + sums + " FROM " + table +
      "), wanted AS (SELECT granularity, bucket_start" + keys + ", " + sums +
      " FROM raw) "
      "SELECT count(*) FROM ((TABLE kept EXCEPT ALL TABLE wanted) UNION ALL (TABLE wanted EXCEPT ALL TABLE kept)) d");
}

inline void check_sums(TelemetryDatabase const& database) {
  CHECK(differences(database, "chat_telemetry_rollups", "") == "0");
  CHECK(differences(database, "chat_telemetry_domain_rollups", ", domain") == "0");
  CHECK(differences(database, "chat_telemetry_model_rollups", ", domain, provider, model") == "0");
  auto const kept = database.rollups();
  database.rebuild_all();
  CHECK(database.rollups() == kept);
}

inline std::string error_class(std::function<void()> const& work) {
  try {
    work();
    return "none";
  } catch (Failure const& failure) {
    return failure.error_class();
  }
}

}  // namespace omnibus::telemetry::test
