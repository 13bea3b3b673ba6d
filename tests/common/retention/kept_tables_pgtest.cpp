// The list of tables against the catalogue, the runs that prune them and their rows.
#include "postgres/inbox.hpp"
#include "retention/kept_tables.hpp"
#include "tests/common/retention/retention_database.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::retention;
using namespace omnibus::retention::test;

namespace {

constexpr std::chrono::hours longest{24 * 14};

Overdue overdue(RetentionDatabase const& database, std::string const& role = "readonly") {
  pqxx::connection connection{database.url_as(role)};
  pqxx::read_transaction transaction{connection};
  return find_overdue(transaction, longest);
}

std::set<std::string> tables_of_catalogue(RetentionDatabase const& database) {
  pqxx::connection connection{database.url()};
  pqxx::read_transaction transaction{connection};
  std::set<std::string> names;
  for (auto const& [name] : transaction.query<std::string>(
           "SELECT relnamespace::regnamespace || '.' || relname FROM pg_class WHERE relkind IN ('r', 'p')"
           " AND NOT relispartition AND relnamespace IN ('public'::regnamespace, 'pipeline'::regnamespace)"))
    names.insert(name);
  return names;
}

std::set<std::string> tables_of_list() {
  std::set<std::string> names;
  for (auto const& table : kept_tables(longest)) names.insert(std::string{table.name});
  return names;
}

std::vector<std::string> names_with_age() {
  std::vector<std::string> names;
  for (auto const& table : kept_tables(longest))
    if (table.age) names.emplace_back(table.name);
  return names;
}

/// A row of two thousand days in each table that has an age.
constexpr auto old_rows = R"(
  WITH old AS (SELECT now() - interval '2000 days' AS at)
  INSERT INTO pipeline.inbox (consumer, event_id, processed_at) SELECT 'chat', gen_random_uuid(), at FROM old;
  WITH old AS (SELECT now() - interval '2000 days' AS at)
  INSERT INTO pipeline.idempotency_keys (domain, key_hash, body_hash, event_id, created_at)
  SELECT 'shop.example', sha256(''), sha256(''), gen_random_uuid(), at FROM old;
  WITH old AS (SELECT now() - interval '2000 days' AS at)
  INSERT INTO pipeline.llm_responses (request_key, event_id, model, response, created_at)
  SELECT gen_random_uuid(), gen_random_uuid(), 'm', '{}', at FROM old;
  WITH old AS (SELECT now() - interval '2000 days' AS at)
  INSERT INTO pipeline.parked_records (letter_id, topic, headers, parked_at)
  SELECT gen_random_uuid(), 'chat.messages', '', at FROM old;
  WITH old AS (SELECT now() - interval '2000 days' AS at)
  INSERT INTO pipeline.outbox (consumer, source_topic, source_partition, topic, refused, created_at)
  SELECT 'chat', 'chat.messages', 0, 'chat.replies', 'too large', at FROM old;
  WITH old AS (SELECT now() - interval '2000 days' AS at)
  INSERT INTO pipeline.erasures (subject_key, domain, request_id, erased_at, positions)
  SELECT md5(''), 'shop.example', gen_random_uuid(), at, '{}' FROM old;
  WITH old AS (SELECT now() - interval '2000 days' AS at)
  INSERT INTO pipeline.maintenance_runs (name, cutoff, state, started_at, finished_at)
  SELECT 'x', at, 'finished', at, at FROM old;
  WITH old AS (SELECT now() - interval '2000 days' AS at)
  INSERT INTO pipeline.delivery_actions (effect_key, action, from_state, attempt, actor, at)
  SELECT gen_random_uuid(), 'failed', 'in_doubt', 1, 'x', at FROM old;
  WITH old AS (SELECT now() - interval '2000 days' AS at)
  INSERT INTO pipeline.delivery_receipt (provider, provider_message_id, status, occurred_at, received_at)
  SELECT 'twilio', 'x', 'read', at, at FROM old;
  WITH old AS (SELECT now() - interval '2000 days' AS at)
  INSERT INTO pipeline.spend (domain, day, spent) SELECT 'shop.example', at::date, 1 FROM old;
  WITH old AS (SELECT now() - interval '2000 days' AS at)
  INSERT INTO pipeline.replay_runs (run, worker, group_id, topics, window_from, window_to, started_by, started_at)
  SELECT 'x', 'chat', 'g', '{}', 'earliest', 'now', 'x', at FROM old;
  INSERT INTO pipeline.replay_members (run, member, per_s) VALUES ('x', 'm', 1);
  WITH old AS (SELECT now() - interval '2000 days' AS at)
  INSERT INTO pipeline.forgotten (id, forgotten_at) SELECT gen_random_uuid(), at FROM old;
  WITH old AS (SELECT now() - interval '2000 days' AS at)
  INSERT INTO access_log (domain, action, result, created_at) SELECT 'shop.example', 'x', 'ok', at FROM old;
  INSERT INTO access_log (domain, action, result) VALUES ('shop.example', 'x', 'ok');
  WITH old AS (SELECT now() - interval '2000 days' AS at)
  INSERT INTO pipeline.deferred_records
  SELECT 'notify', 'notifications.requested', 0, 0, 0, 1, 7, at, 0, 1, at, NULL FROM old;
)";

}  // namespace

TEST_CASE("every table of the catalogue is in the list of tables with its retention, and the list names no other") {
  RetentionDatabase const database;
  CHECK(tables_of_list() == tables_of_catalogue(database));
  database.execute("CREATE TABLE pipeline.new_ledger (id int)");
  CHECK(tables_of_list() != tables_of_catalogue(database));
}

TEST_CASE("a table is in the list once, and one that omnibus-gdpr prunes is in a run") {
  auto tasks = pipeline_tasks(longest);
  tasks.push_back(messages_task());
  tasks.push_back(audit_task());
  std::set<std::string> pruned;
  for (auto const& task : tasks)
    for (auto const& step : task.steps)
      pruned.insert(step.table.find('.') == std::string::npos ? "public." + step.table : step.table);
  std::set<std::string> listed;
  for (auto const& table : kept_tables(longest)) {
    CAPTURE(table.name);
    CHECK_FALSE(table.note.empty());
    CHECK(table.age.has_value() != table.time.empty());
    if (table.pruner == Pruner::gdpr) CHECK(listed.insert(std::string{table.name}).second);
  }
  CHECK(listed == pruned);
}

TEST_CASE("a table over its retention is found, by the operator too, and no longer once its pruner ran") {
  RetentionDatabase const database;
  CHECK(overdue(database).tables.empty());
  database.execute(old_rows);
  auto const found = overdue(database);
  CHECK(found.unreadable.empty());
  auto expected = names_with_age();
  for (std::string const without_row : {"pipeline.dead_letter_actions", "pipeline.delivery", "public.gdpr_archives"})
    std::erase(expected, without_row);
  CHECK(found.tables == expected);
  CHECK(overdue(database, "operator").tables == expected);
  CHECK(overdue(database, "operator").unreadable.empty());
  CHECK(overdue(database, "sms").unreadable.size() > 3);

  for (auto const& task : pipeline_tasks(longest)) database.force(task);
  {
    pqxx::connection worker{database.url_as("chat")};
    CHECK(postgres::prune_inbox(worker, "chat", std::chrono::duration_cast<std::chrono::hours>(inbox_age(longest)),
                                100) == 1);
  }
  CHECK(overdue(database).tables == std::vector<std::string>{});
  CHECK(database.count("pipeline.replay_members") == "0");
  CHECK(database.count("access_log") == "1");
}

TEST_CASE("one process at a time prunes the inbox of a worker, and the others do not wait") {
  RetentionDatabase const database;
  database.execute(old_rows);
  pqxx::connection one{database.url_as("chat")};
  pqxx::work first{one};
  auto const prune = "SELECT pipeline.prune_inbox('chat', '15 days', 100)";
  CHECK(first.query_value<int>(prune) == 1);
  pqxx::connection other{database.url_as("sms")};
  {
    pqxx::nontransaction second{other};
    second.exec("SET lock_timeout = '2s'");
    CHECK(second.query_value<int>(prune) == 0);
  }
  first.abort();
  CHECK(pqxx::nontransaction{other}.query_value<int>(prune) == 1);
}

TEST_CASE("tables that grow with each message are vacuumed by small shares") {
  RetentionDatabase const database;
  CHECK(database.value("SELECT count(*) FROM pg_class WHERE relkind = 'r' AND oid = ANY ('{pipeline.inbox,"
                       "pipeline.delivery,pipeline.llm_responses,messages,message_delivery_log}'::regclass[])"
                       " AND 'autovacuum_vacuum_scale_factor=0.01' = ANY (reloptions)"
                       " AND 'autovacuum_vacuum_insert_scale_factor=0.01' = ANY (reloptions)") == "5");
}
