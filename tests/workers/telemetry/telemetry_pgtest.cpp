// The calls and their sums in PostgreSQL.
#include "telemetry_database.hpp"
#include "workers/telemetry/store.hpp"

#include <algorithm>
#include <future>
#include <random>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

using namespace omnibus;
using namespace omnibus::telemetry;
using namespace omnibus::telemetry::test;

TEST_CASE("a call is kept with everything that was told of it") {
  TelemetryDatabase const database;
  auto call = a_call();
  call.domain = "tab\t\"quote\" \\ \xc3\xa9\n.example";
  call.ttft_ms = 310;
  call.fallback_from = "gpt-4o";
  call.tool_calls = 2;
  TelemetrySession{database}.apply(
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
  TelemetrySession{database}.apply({kept});
  TelemetrySession{database, replay_id}.apply({kept, lost});
  CHECK(database.value("SELECT count(*) FROM chat_telemetry WHERE replay_id IS NULL") == "1");
  CHECK(database.value("SELECT count(*) FROM chat_telemetry WHERE replay_id = '" + to_string(replay_id) + "'") == "1");
  check_sums(database);
}

TEST_CASE("sums are those of the rows, and what a rebuild gives, whatever comes twice, late and in any order") {
  TelemetryDatabase const database;
  std::mt19937 random{4711};
  auto const items = some_items(random, 3'000);
  TelemetrySession session{database};
  auto order = TelemetrySession::pointers(items);
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
  constexpr auto time_ms = 1'793'361'600'000;
  CallKey const first{random_uuid(), time_ms};
  CallKey const second{random_uuid(), time_ms + 1'000};
  pqxx::connection connection{database.url_as("telemetry")};
  pqxx::work transaction{connection};
  CHECK(claim_new_calls(transaction, {first}));
  CHECK_FALSE(claim_new_calls(transaction, {second, first}));
  CHECK(transaction.query_value<int>("SELECT count(*) FROM pipeline.telemetry_calls") == 1);
  CHECK(claim_calls(transaction, {second, first}) == std::unordered_set{second.call_id});
}

TEST_CASE("a call that is told of with two times counts once, where it was first") {
  TelemetryDatabase const database;
  TelemetrySession session{database};
  auto const call = a_call();
  session.apply({item_of(call, "2026-11-18T12:00:00Z"), item_of(call, "2026-11-19T12:00:00Z")});
  session.apply({item_of(call, "2026-11-17T12:00:00Z")});
  CHECK(database.value("SELECT string_agg(ts::date::text, ' ') FROM chat_telemetry") == "2026-11-18");
  CHECK(database.value("SELECT string_agg(day::text, ' ') FROM pipeline.telemetry_calls") == "2026-11-18");
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
      auto order = TelemetrySession::pointers(items);
      std::shuffle(order.begin(), order.end(), own);
      TelemetrySession session{database};
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
      TelemetrySession session{database};
      for (int round = 0; round < 12; ++round) session.apply(some_items(random, 80));
    }));
  }
  for (auto& worker : workers) CHECK_NOTHROW(worker.get());
  CHECK(database.value("SELECT count(*) FROM chat_telemetry") == "3840");
  check_sums(database);
}

TEST_CASE("a tenant sees its own calls and sums, an operator all of them, and nobody the partitions") {
  TelemetryDatabase const database;
  auto other = a_call();
  other.domain = "bank.example";
  TelemetrySession{database}.apply({item_of(a_call(), "2026-11-20T12:00:00Z"), item_of(other, "2026-11-20T12:00:00Z")});
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

TEST_CASE("a day's partition may be written by the worker and a replay, and read by its owner only") {
  TelemetryDatabase const database;
  TelemetrySession{database}.apply({item_of(a_call(), "2026-11-20T12:00:00Z")});
  CHECK(database.value("SELECT string_agg(concat_ws(' ', a.grantee::regrole, a.privilege_type), ', ' ORDER BY "
                       "a.grantee::regrole::text) FROM pg_class c, aclexplode(c.relacl) a "
                       "WHERE c.relname = 'chat_telemetry_20261120' AND a.grantee <> c.relowner") ==
        "omnibus_replay INSERT, omnibus_telemetry INSERT");
}
