// Rebuilding the sums, their percentiles and prices, and the partitions below them.
#include "llm/prices.hpp"
#include "telemetry_database.hpp"
#include "workers/telemetry/duration_histogram.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <future>
#include <map>
#include <random>
#include <thread>
#include <tuple>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

using namespace omnibus;
using namespace omnibus::telemetry;
using namespace omnibus::telemetry::test;

TEST_CASE("a rebuild that meets a worker in the middle of a batch loses nothing of it") {
  TelemetryDatabase const database;
  std::mt19937 random{7};
  std::atomic<bool> done{false};
  auto rebuilding = std::async(std::launch::async, [&] {
    int rounds = 0;
    for (; !done || rounds == 0; ++rounds)
      database.value(
          "SELECT sum(pipeline.rebuild_telemetry(day::date)) FROM generate_series('2026-11-17'::date, '2026-11-20', '1 "
          "day') "
          "day");
    return rounds;
  });
  TelemetrySession session{database};
  for (int round = 0; round < 30; ++round) session.apply(some_items(random, 40));
  done = true;
  CHECK(rebuilding.get() >= 1);
  CHECK(database.value("SELECT count(*) FROM chat_telemetry") == "1200");
  check_sums(database);
}

TEST_CASE("a worker that waits for one tenant's row keeps no other worker from adding another tenant's calls") {
  TelemetryDatabase const database;
  auto const call_of = [](std::string domain) {
    auto call = a_call();
    call.domain = std::move(domain);
    return std::vector<Item>{item_of(call, "2026-11-18T10:00:00Z")};
  };
  for (auto const* const domain : {"shop.example", "bank.example"}) TelemetrySession{database}.apply(call_of(domain));
  pqxx::connection connection{database.url()};
  pqxx::work holding{connection};
  holding.exec("SELECT FROM chat_telemetry_domain_rollups WHERE domain = 'shop.example' FOR UPDATE");
  auto waiting = std::async(std::launch::async, [&] { TelemetrySession{database}.apply(call_of("shop.example")); });
  while (database.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname ="
                        " current_database()") != "1")
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  auto other = std::async(std::launch::async, [&] { TelemetrySession{database}.apply(call_of("bank.example")); });
  auto const is_free = other.wait_for(std::chrono::seconds{20}) == std::future_status::ready;
  holding.commit();
  other.get();
  waiting.get();
  CHECK(is_free);
  check_sums(database);
}

TEST_CASE("a rebuild mends what was spoilt, a day at a time") {
  TelemetryDatabase const database;
  std::mt19937 random{5};
  TelemetrySession{database}.apply(some_items(random, 300));
  auto const sound = database.rollups();
  database.value(
      "WITH u AS (UPDATE chat_telemetry_rollups SET calls = calls + 1, cost_usd = 0 RETURNING 1), d AS (DELETE FROM "
      "chat_telemetry_model_rollups WHERE model LIKE '%1%' RETURNING 1), i AS (INSERT INTO "
      "chat_telemetry_domain_rollups SELECT granularity, bucket_start + interval '12 hours', 1, 1, 0, 0, 0, 0, 0, "
      "'{}', 0, 0, now(), 'nobody.example' FROM chat_telemetry_rollups WHERE granularity = '15m' LIMIT 1 RETURNING 1) "
      "SELECT (SELECT count(*) FROM u) + (SELECT count(*) FROM d) + (SELECT count(*) FROM i)");
  CHECK(database.rollups() != sound);
  database.value(
      "SELECT sum(pipeline.rebuild_telemetry(day::date)) FROM generate_series('2026-11-17'::date, '2026-11-21', '1 "
      "day') "
      "day");
  CHECK(database.rollups() == sound);
}

TEST_CASE("percentiles are within 5 % of the true ones, over any buckets merged") {
  TelemetryDatabase const database;
  std::mt19937 random{31};
  auto const items = some_items(random, 2'500);
  TelemetrySession{database}.apply(items);
  std::map<std::string, std::vector<std::int64_t>> durations;
  for (auto const& item : items) {
    auto const call = read_call(item);
    durations[call.told->domain].push_back(call.told->duration_ms);
    durations["all"].push_back(call.told->duration_ms);
  }
  for (auto& [domain, values] : durations) {
    std::sort(values.begin(), values.end());
    for (auto const share : {0.0, 0.5, 0.9, 0.95, 0.99, 1.0}) {
      auto const of = domain == "all"
                          ? std::string{"chat_telemetry_rollups WHERE granularity = '15m'"}
                          : "chat_telemetry_domain_rollups WHERE granularity = '15m' AND domain = '" + domain + "'";
      auto const estimate = std::stod(database.value(fmt::format(
          "SELECT pipeline.histogram_quantile(pipeline.sum_histogram(duration_hist), {}) FROM {}", share, of)));
      auto const exact =
          static_cast<double>(values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))]);
      CAPTURE(domain);
      CAPTURE(share);
      CHECK(std::abs(estimate - exact) <= 0.0501 * exact);
    }
  }
  CHECK(database.value("SELECT pipeline.histogram_quantile('{}', 0.5)") == "null");
  // PostgreSQL's buckets are ours.
  for (std::int64_t ms = 0; ms < 86'400'000; ms += 1 + ms / 7)
    CHECK(database.value(fmt::format("SELECT pipeline.duration_bucket({})", ms)) ==
          std::to_string(telemetry::DurationHistogram::bucket_of(ms)));
}

TEST_CASE("days that no sound clock tells make no partition") {
  TelemetryDatabase const database;
  TelemetrySession session{database};
  auto const partitions = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'chat_telemetry'::regclass";
  session.apply({item_of(a_call(), "2023-11-16T18:00:00Z")});
  auto const before = database.value(partitions);
  CHECK(before == "3");  // with tomorrow's and the next, made ahead
  for (auto const* const time :
       {"1971-01-01T00:00:00Z", "2019-12-31T23:59:59Z", "2999-01-01T00:00:00Z", "9999-12-31T23:59:59Z"})
    CHECK(error_class([&] { session.apply({item_of(a_call(), time)}); }) == "clock");
  CHECK(database.value(partitions) == before);
  CHECK(database.value("SELECT count(*) FROM chat_telemetry") == "1");
  check_sums(database);
}

TEST_CASE("what was dropped is gone, does not come again, and leaves its sums") {
  TelemetryDatabase const database;
  TelemetrySession session{database};
  auto const old = item_of(a_call(), "2024-03-01T12:00:00Z");
  session.apply({old, item_of(a_call(), "2024-03-02T00:00:00Z")});
  auto const kept = database.rollups();
  CHECK(database.value("SELECT pipeline.drop_telemetry_before('2024-03-02')") == "1");
  CHECK(database.value("SELECT count(*) FROM chat_telemetry") == "1");
  CHECK(database.value("SELECT count(*) FROM pipeline.telemetry_calls") == "1");
  CHECK(error_class([&] { session.apply({old}); }) == "clock");
  CHECK_THROWS_AS(database.value("SELECT pipeline.rebuild_telemetry('2024-03-01')"), pqxx::sql_error);
  CHECK_THROWS_AS(database.value("SELECT pipeline.drop_telemetry_before((now() AT TIME ZONE 'UTC')::date + 1)"),
                  pqxx::sql_error);
  CHECK(database.rollups() == kept);
}

TEST_CASE("the list of prices in the database is the one that callers have built in") {
  TelemetryDatabase const database;
  auto const& table = llm::PriceTable::built_in();
  for (auto const* const model : {"gpt-4o",
                                  "gpt-4o-mini",
                                  "gpt-4.1",
                                  "gpt-4.1-mini",
                                  "gpt-4.1-nano",
                                  "gpt-5",
                                  "gpt-5-mini",
                                  "gpt-5-nano",
                                  "o3",
                                  "o4-mini",
                                  "omnibus-small",
                                  "omnibus-large",
                                  "gpt-4o-2024-08-06",
                                  "gpt-4o-mini-latest",
                                  "gpt-5-2025-08-07",
                                  "unheard-of",
                                  "gpt",
                                  "gpt-4o-mini-x",
                                  "gpt-4omni",
                                  "gpt-5-1",
                                  "gpt-4o-0613",
                                  "gpt-4o-20240806",
                                  "gpt-4o-20241399",
                                  "gpt-4o-2024-8-6",
                                  "gpt-4o-latest-1",
                                  "gpt-5-1-2025-08-07"}) {
    CAPTURE(model);
    for (auto const& [input, cached, output] :
         {std::tuple{1, 0, 0}, {1'234'567, 1'000, 333'333}, {3, 1, 7}, {5, 9, 0}}) {
      llm::Usage usage;
      usage.input = input;
      usage.cached = cached;
      usage.output = output;
      auto const ours = table.cost(model, usage);
      CHECK(database.value(fmt::format("SELECT pipeline.llm_cost(1, '{}', '2026-11-20 12:00+00', {}, {}, {})", model,
                                       input, cached, output)) == (ours.known ? ours.usd : "null"));
    }
  }
}

TEST_CASE("a rebuild prices calls again when asked: by the list of its version, valid when the call was made") {
  TelemetryDatabase const database;
  TelemetrySession session{database};
  auto unknown = a_call();
  unknown.request_model = "unheard-of";
  session.apply({item_of(a_call(), "2026-03-10T12:00:00Z"), item_of(a_call(), "2026-03-10T18:00:00Z"),
                 item_of(unknown, "2026-03-10T19:00:00Z"), item_of(a_call(), "2026-03-10T20:00:00Z", false)});
  database.value(
      "WITH i AS (INSERT INTO pipeline.llm_prices VALUES (2, 'gpt-4o-mini', '2026-01-01', 1, 1, 10), "
      "(2, 'gpt-4o-mini', '2026-03-10 15:00+00', 2, 2, 20) RETURNING 1) SELECT count(*) FROM i");
  CHECK(database.value("SELECT pipeline.rebuild_telemetry('2026-03-10', 2)") == "4");
  CHECK(database.value(
            "SELECT string_agg(concat_ws(' ', cost_usd, price_version), ', ' ORDER BY ts) FROM chat_telemetry") ==
        "0.000900000 2, 0.001800000 2, 0.000090000, 0.000090000");
  CHECK(database.value("SELECT cost_usd FROM chat_telemetry_rollups WHERE granularity = '1d'") == "0.002880000");
  check_sums(database);
}
