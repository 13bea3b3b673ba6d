#include "database_fixture.hpp"
#include "postgres/inbox.hpp"
#include "postgres/outbox.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::postgres;

namespace {

OutboxRow row(std::int64_t id) {
  return {id, {"chat.replies", std::string{"k\0'", 3}, "v", {{"h", "\xff"}}, std::nullopt}};
}

void write(pqxx::connection& connection, std::vector<OutboxRow> const& rows, std::int32_t partition = 0) {
  pqxx::nontransaction{connection}.exec(outbox_insert(connection, {"chat", "chat.messages", partition}, rows));
}

std::vector<std::int64_t> ids(std::vector<OutboxRow> const& rows) {
  std::vector<std::int64_t> result;
  result.reserve(rows.size());
  for (auto const& entry : rows) result.push_back(entry.id);
  return result;
}

}  // namespace

TEST_CASE("rows are taken by the partition they came from, oldest first") {
  test::TestDatabase database;
  pqxx::connection connection{database.url_as("chat")};
  write(connection, {row(30), row(10)});
  write(connection, {row(20)}, 1);
  pqxx::work transaction{connection};
  auto const taken = take_unpublished(transaction, {"chat", "chat.messages", 0}, 10);
  CHECK(taken == std::vector<OutboxRow>{row(10), row(30)});
  CHECK(take_unpublished(transaction, {"sms", "chat.messages", 0}, 10).empty());
}

TEST_CASE("rows that are copied are read as those that are inserted") {
  test::TestDatabase database;
  pqxx::connection connection{database.url_as("chat")};
  std::vector<OutboxRow> const mine{row(1),
                                    {2, {"chat.replies", std::nullopt, std::nullopt, {}, 7}},
                                    {3, {"llm.calls", "", std::string(200'000, '\xff'), {{"h", std::nullopt}}, 0}}};
  std::vector<OutboxRow> const others{row(4)};
  std::vector<OutboxRows> const groups{{{"chat", "chat.messages", 0}, mine}, {{"chat", "chat.messages", 1}, others}};
  pqxx::work transaction{connection};
  outbox_copy(transaction, groups);
  CHECK(take_unpublished(transaction, {"chat", "chat.messages", 0}, 10) == mine);
  CHECK(take_unpublished(transaction, {"chat", "chat.messages", 1}, 10) == others);
}

TEST_CASE("nobody sweeps beside another, and a young row is left to its worker") {
  test::TestDatabase database;
  pqxx::connection connection{database.url()};
  write(connection, {row(1), row(2), row(3)});
  pqxx::connection one{database.url_as("relay")};
  pqxx::connection other{database.url_as("relay")};
  pqxx::work sweep{one};
  pqxx::work concurrent{other};
  CHECK(sweep_outbox(sweep, std::chrono::hours{1}, 10).empty());
  CHECK(ids(sweep_outbox(sweep, std::chrono::milliseconds{0}, 2)) == std::vector<std::int64_t>{1, 2});
  CHECK(sweep_outbox(concurrent, std::chrono::milliseconds{0}, 10).empty());
  remove_published(sweep, std::vector<std::int64_t>{1, 2});
  sweep.commit();
  CHECK(ids(sweep_outbox(concurrent, std::chrono::milliseconds{0}, 10)) == std::vector<std::int64_t>{3});
}

TEST_CASE("removing published rows twice is no error") {
  test::TestDatabase database;
  pqxx::connection connection{database.url_as("chat")};
  write(connection, {row(1), row(2)});
  std::vector<std::int64_t> const published{1, 2};
  remove_published(connection, published);
  remove_published(connection, published);
  CHECK(pqxx::nontransaction{connection}.query_value<int>("SELECT count(*) FROM pipeline.outbox") == 0);
}

TEST_CASE("actions on a worker's dead letters are forgotten when they are twice its inbox's age") {
  test::TestDatabase database;
  pqxx::connection connection{database.url()};
  pqxx::nontransaction session{connection};
  session.exec(
      "INSERT INTO pipeline.dead_letter_actions (letter_id, topic, partition, letter_offset, consumer, action, actor, "
      "at)"
      " SELECT gen_random_uuid(), 't.dlq', 0, i, c, 'redriven', 'a', now() - i * interval '1 day' FROM "
      "generate_series(0, 9) i, unnest('{chat,sms}'::text[]) c");
  pqxx::connection chat{database.url_as("chat")};
  auto const age = std::chrono::hours{24 * 3 - 1};
  CHECK(prune_inbox(chat, "chat", age, 2) == 2);
  CHECK(session.query_value<int>("SELECT count(*) FROM pipeline.dead_letter_actions WHERE consumer = 'chat'") == 8);
  CHECK(prune_inbox(chat, "chat", age, 3) == 2);
  CHECK(prune_inbox(chat, "chat", age, 3) == 0);
  CHECK(session.query_value<int>(
            "SELECT max(letter_offset) FROM pipeline.dead_letter_actions WHERE consumer = 'chat'") == 5);
  CHECK(session.query_value<int>("SELECT count(*) FROM pipeline.dead_letter_actions WHERE consumer = 'sms'") == 10);
}

TEST_CASE("the inbox forgets what is older than the age given, a bounded number at a time") {
  test::TestDatabase database;
  pqxx::connection connection{database.url()};
  pqxx::nontransaction{connection}.exec(
      "INSERT INTO pipeline.inbox (consumer, event_id, processed_at) SELECT 'chat', gen_random_uuid(), now() - i * "
      "interval '1 day' FROM generate_series(0, 9) i");
  pqxx::connection relay{database.url_as("relay")};
  CHECK(prune_inbox(relay, "chat", std::chrono::hours{24 * 7 - 1}, 2) == 2);
  CHECK(prune_inbox(relay, "chat", std::chrono::hours{24 * 7 - 1}, 100) == 1);
  CHECK(prune_inbox(relay, "chat", std::chrono::hours{24 * 7 - 1}, 100) == 0);
  CHECK_THROWS_AS(prune_inbox(relay, "chat", std::chrono::hours{23}, 100), pqxx::sql_error);
  CHECK(pqxx::nontransaction{connection}.query_value<int>("SELECT count(*) FROM pipeline.inbox") == 7);
}

TEST_CASE("a worker forgets only its own events, whatever age it is told") {
  test::TestDatabase database;
  pqxx::connection connection{database.url()};
  pqxx::nontransaction session{connection};
  session.exec(
      "INSERT INTO pipeline.inbox (consumer, event_id, processed_at) SELECT c, gen_random_uuid(), now() - interval '9 "
      "days' FROM unnest('{chat,sms}'::text[]) c");
  pqxx::connection chat{database.url_as("chat")};
  CHECK(prune_inbox(chat, "chat", std::chrono::hours{24}, 100) == 1);
  CHECK(session.query_value<std::string>("SELECT string_agg(consumer, ',') FROM pipeline.inbox") == "sms");
}

TEST_CASE("a look for old events reads a few pages of the inbox, also once pages hold events of all ages") {
  test::TestDatabase database;
  pqxx::connection connection{database.url()};
  pqxx::nontransaction session{connection};
  session.exec(R"(
    CREATE FUNCTION pages_of(p_query text) RETURNS int LANGUAGE plpgsql AS $$
    DECLARE
      plan json;
    BEGIN
      EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT json) ' || p_query INTO plan;
      RETURN (plan->0->'Plan'->>'Shared Hit Blocks')::int + (plan->0->'Plan'->>'Shared Read Blocks')::int;
    END
    $$)");
  session.exec(
      "INSERT INTO pipeline.inbox (consumer, event_id, processed_at) SELECT 'chat', gen_random_uuid(),"
      " now() - (i % 45) * interval '1 day' FROM generate_series(1, 30000) i");
  session.exec("VACUUM ANALYZE pipeline.inbox");
  pqxx::connection chat{database.url_as("chat")};
  auto const age = std::chrono::hours{24 * 30};
  while (prune_inbox(chat, "chat", age, 5'000) > 0) continue;
  session.exec("VACUUM ANALYZE pipeline.inbox");

  auto const whole = session.query_value<int>("SELECT pg_relation_size('pipeline.inbox') / 8192");
  CHECK(whole > 200);
  auto const look = "SELECT pages_of('SELECT pipeline.prune_inbox(''chat'', ''30 days'', 100)')";
  session.query_value<int>(look);  // reads the catalogue, too
  CHECK(session.query_value<int>(look) < 30);
}
