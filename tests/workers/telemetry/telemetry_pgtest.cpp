// The calls and their sums in PostgreSQL.
#include "handler/failure.hpp"
#include "items.hpp"
#include "llm/prices.hpp"
#include "tests/common/postgres/database_fixture.hpp"
#include "workers/telemetry/duration_histogram.hpp"
#include "workers/telemetry/handler.hpp"
#include "workers/telemetry/store.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <future>
#include <map>
#include <span>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

using namespace omnibus;
using namespace omnibus::telemetry;
using namespace omnibus::telemetry::test;

namespace {

char const* const rollup_tables[] = {"chat_telemetry_rollups", "chat_telemetry_domain_rollups",
                                     "chat_telemetry_model_rollups"};

/// A connection of the telemetry worker's role, and the handler on it.
class Session {
 public:
  explicit Session(omnibus::test::TestDatabase const& database) : connection_{database.url_as("telemetry")} {}
  Session(omnibus::test::TestDatabase const& database, Uuid const& replay_id)
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
std::string differences(TelemetryDatabase const& database, std::string const& table, std::string const& keys) {
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

void check_sums(TelemetryDatabase const& database) {
  CHECK(differences(database, "chat_telemetry_rollups", "") == "0");
  CHECK(differences(database, "chat_telemetry_domain_rollups", ", domain") == "0");
  CHECK(differences(database, "chat_telemetry_model_rollups", ", domain, provider, model") == "0");
  auto const kept = database.rollups();
  database.rebuild_all();
  CHECK(database.rollups() == kept);
}

std::string error_class(std::function<void()> const& work) {
  try {
    work();
    return "none";
  } catch (Failure const& failure) {
    return failure.error_class();
  }
}

}  // namespace

TEST_CASE("a call is kept with everything that was told of it") {
  TelemetryDatabase const database;
  auto call = a_call();
  call.domain = "tab\t\"quote\" \\ \xc3\xa9\n.example";
  call.ttft_ms = 310;
  call.fallback_from = "gpt-4o";
  call.tool_calls = 2;
  Session{database}.apply(
      {item_of(call, "2026-11-20T12:00:00.125Z"), item_of(a_call(), "2026-11-20T12:00:01Z", false)});
  CHECK(database.value("SELECT domain FROM chat_telemetry WHERE success") == call.domain);
  CHECK(database.value(
            "SELECT to_jsonb(c) - 'domain' || jsonb_build_object('ts', ts AT TIME ZONE 'UTC') FROM chat_telemetry c "
            "WHERE success") ==
        database.value(fmt::format(
            R"(SELECT '{{"ts": "2026-11-20T12:00:00.125", "worker": "chat", "call_id": "{}", "success": true,
            "cost_usd": 0.000090000, "provider": "openai", "ttft_ms": 310, "operation": "chat", "replay_id": null,
            "error_type": null, "iterations": null, "tool_calls": 2, "duration_ms": 1200, "input_tokens": 400,
            "search_calls": null, "fallback_from": "gpt-4o", "finish_reason": "stop", "output_tokens": 50,
            "price_version": null, "request_model": "gpt-4o-mini", "response_model": "gpt-4o-mini-2024-07-18",
            "conversation_id": "{}", "usage_estimated": false, "reasoning_tokens": 0, "cached_input_tokens": 0,
            "search_zero_results": null}}'::jsonb)",
            to_string(call.call_id), to_string(call.conversation_id))));
  CHECK(database.value("SELECT error_type FROM chat_telemetry WHERE NOT success") == "timeout");
  check_sums(database);
}

TEST_CASE("a call that a replay writes again names the replay, one that is still there does not") {
  TelemetryDatabase const database;
  auto const kept = item_of(a_call(), "2026-11-20T12:00:00Z");
  auto const lost = item_of(a_call(), "2026-11-20T12:00:01Z");
  auto const replay_id = random_uuid();
  Session{database}.apply({kept});
  Session{database, replay_id}.apply({kept, lost});
  CHECK(database.value("SELECT count(*) FROM chat_telemetry WHERE replay_id IS NULL") == "1");
  CHECK(database.value("SELECT count(*) FROM chat_telemetry WHERE replay_id = '" + to_string(replay_id) + "'") == "1");
  check_sums(database);
}

TEST_CASE("sums are those of the rows, and what a rebuild gives, whatever comes twice, late and in any order") {
  TelemetryDatabase const database;
  std::mt19937 random{4711};
  auto const items = some_items(random, 3'000);
  Session session{database};
  auto order = Session::pointers(items);
  for (int round = 0; round < 3; ++round) {
    std::shuffle(order.begin(), order.end(), random);
    for (std::size_t begin = 0; begin < order.size();) {
      auto const size = std::min<std::size_t>(1 + random() % 700, order.size() - begin);
      auto batch = std::vector(order.begin() + static_cast<std::ptrdiff_t>(begin),
                               order.begin() + static_cast<std::ptrdiff_t>(begin + size));
      batch.insert(batch.end(), batch.begin(), batch.begin() + static_cast<std::ptrdiff_t>(size / 3));
      session.apply(batch);
      begin += size;
    }
  }
  session.apply_and_die(some_items(random, 500));
  CHECK(database.value("SELECT count(*) FROM chat_telemetry") == "3000");
  CHECK(database.value("SELECT sum(calls) FROM chat_telemetry_rollups WHERE granularity = '1d'") == "3000");
  check_sums(database);
}

TEST_CASE("calls are claimed in one go while all are new, else none of them, and then only those that are") {
  TelemetryDatabase const database;
  auto const first = item_of(a_call(), "2026-11-20T12:00:00Z");
  auto const second = item_of(a_call(), "2026-11-20T12:00:01Z");
  pqxx::connection connection{database.url_as("telemetry")};
  pqxx::work transaction{connection};
  CHECK(claim_new_calls(transaction, {read_call(first)}));
  CHECK_FALSE(claim_new_calls(transaction, {read_call(second), read_call(first)}));
  CHECK(transaction.query_value<int>("SELECT count(*) FROM pipeline.telemetry_calls") == 1);
  CHECK(claim_calls(transaction, {read_call(second), read_call(first)}) ==
        std::unordered_set{read_call(second).told->call_id});
}

TEST_CASE("a call that is told of with two times counts once, where it was first") {
  TelemetryDatabase const database;
  Session session{database};
  auto const call = a_call();
  session.apply({item_of(call, "2026-11-18T12:00:00Z"), item_of(call, "2026-11-19T12:00:00Z")});
  session.apply({item_of(call, "2026-11-17T12:00:00Z")});
  CHECK(database.value("SELECT string_agg(ts::date::text, ' ') FROM chat_telemetry") == "2026-11-18");
  check_sums(database);
}

TEST_CASE("workers that are handed the same calls at once wait for one another, and each call counts once") {
  TelemetryDatabase const database;
  std::mt19937 random{99};
  auto const items = some_items(random, 2'000);
  std::vector<std::future<void>> workers;
  for (unsigned seed = 0; seed < 4; ++seed) {
    workers.push_back(std::async(std::launch::async, [&, seed] {
      std::mt19937 own{seed};
      auto order = Session::pointers(items);
      std::shuffle(order.begin(), order.end(), own);
      Session session{database};
      std::span<Item const* const> left{order};
      while (!left.empty()) {
        auto const size = std::min<std::size_t>(150, left.size());
        session.apply(left.first(size));
        left = left.subspan(size);
      }
    }));
  }
  for (auto& worker : workers) CHECK_NOTHROW(worker.get());  // no deadlock was detected
  CHECK(database.value("SELECT count(*) FROM chat_telemetry") == "2000");
  check_sums(database);
}

TEST_CASE("workers with calls of their own add to the same sums without a deadlock") {
  TelemetryDatabase const database;
  std::vector<std::future<void>> workers;
  for (unsigned seed = 0; seed < 4; ++seed) {
    workers.push_back(std::async(std::launch::async, [&, seed] {
      std::mt19937 random{seed};
      Session session{database};
      for (int round = 0; round < 12; ++round) session.apply(some_items(random, 80));
    }));
  }
  for (auto& worker : workers) CHECK_NOTHROW(worker.get());
  CHECK(database.value("SELECT count(*) FROM chat_telemetry") == "3840");
  check_sums(database);
}

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
  Session session{database};
  for (int round = 0; round < 30; ++round) session.apply(some_items(random, 40));
  done = true;
  CHECK(rebuilding.get() >= 1);
  CHECK(database.value("SELECT count(*) FROM chat_telemetry") == "1200");
  check_sums(database);
}

TEST_CASE("a rebuild mends what was spoilt, a day at a time") {
  TelemetryDatabase const database;
  std::mt19937 random{5};
  Session{database}.apply(some_items(random, 300));
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
  Session{database}.apply(items);
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
  Session session{database};
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
  Session session{database};
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
  for (auto const* const model :
       {"gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano", "gpt-5", "gpt-5-mini", "gpt-5-nano", "o3",
        "o4-mini", "omnibus-small", "omnibus-large", "gpt-4o-2024-08-06", "gpt-4o-mini-latest", "gpt-5-2025-08-07",
        "unheard-of", "gpt", "gpt-4o-mini-x", "gpt-4omni"}) {
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
  Session session{database};
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

TEST_CASE("a tenant sees its own calls and sums, an operator all of them, and nobody the partitions") {
  TelemetryDatabase const database;
  auto other = a_call();
  other.domain = "bank.example";
  Session{database}.apply({item_of(a_call(), "2026-11-20T12:00:00Z"), item_of(other, "2026-11-20T12:00:00Z")});
  pqxx::connection gateway{database.url_as("gateway")};
  auto const counts = [&](std::string const& settings) {
    pqxx::work transaction{gateway};
    transaction.exec(settings);
    std::string all;
    for (auto const* const table : {"chat_telemetry", "chat_telemetry_rollups", "chat_telemetry_domain_rollups",
                                    "chat_telemetry_model_rollups", "chat_telemetry_metrics"})
      all += transaction.query_value<std::string>(fmt::format("SELECT count(*) FROM {}", table)) + " ";
    return all;
  };
  CHECK(counts("SELECT 1") == "0 0 0 0 0 ");
  CHECK(counts("SELECT set_config('app.tenant', 'bank.example', true)") == "1 0 2 2 1 ");
  CHECK(counts("SELECT set_config('app.role', 'operator', true)") == "2 2 4 4 2 ");
  CHECK(counts("SELECT set_config('app.role', 'tenant', true)") == "0 0 0 0 0 ");
  for (auto const* const role : {"gateway", "telemetry", "readonly"}) {
    pqxx::connection connection{database.url_as(role)};
    pqxx::work transaction{connection};
    CHECK_THROWS_AS(transaction.exec("SELECT count(*) FROM chat_telemetry_20261120"), pqxx::insufficient_privilege);
  }
}
