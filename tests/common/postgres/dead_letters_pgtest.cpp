#include "postgres/dead_letters.hpp"
#include "tests/common/postgres/database_fixture.hpp"

#include <future>
#include <vector>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

using namespace omnibus;
using namespace omnibus::postgres;

namespace {

LetterKey letter(Uuid const& event) {
  return {random_uuid(), "orders.dlq", 3, 17, "chat", event};
}

void process(test::TestDatabase const& database, std::string const& consumer, Uuid const& event) {
  pqxx::connection admin{database.url()};
  pqxx::nontransaction{admin}.exec("INSERT INTO pipeline.inbox (consumer, event_id) VALUES ($1, $2::uuid)",
                                   pqxx::params{consumer, to_string(event)});
}

std::int64_t inbox(test::TestDatabase const& database, std::string const& consumer) {
  pqxx::connection admin{database.url()};
  return pqxx::nontransaction{admin}.query_value<std::int64_t>(
      "SELECT count(*) FROM pipeline.inbox WHERE consumer = $1", pqxx::params{consumer});
}

bool take(pqxx::connection& connection, LetterKey const& key, LetterAction action) {
  pqxx::work transaction{connection};
  auto const taken = take_letter(transaction, key, action, "somebody@here");
  transaction.commit();
  return taken;
}

}  // namespace

TEST_CASE("a letter is taken once, and only its own worker forgets the event") {
  test::TestDatabase const database;
  auto const event = random_uuid();
  auto const key = letter(event);
  process(database, "chat", event);
  process(database, "chat", random_uuid());
  process(database, "telemetry", event);
  pqxx::connection as_operator{database.url_as("operator")};
  CHECK(take(as_operator, key, LetterAction::redriven));
  CHECK(inbox(database, "chat") == 1);
  CHECK(inbox(database, "telemetry") == 1);
  process(database, "chat", event);
  CHECK_FALSE(take(as_operator, key, LetterAction::redriven));
  CHECK_FALSE(take(as_operator, key, LetterAction::dropped));
  CHECK(inbox(database, "chat") == 2);
  auto const actions = letter_actions(as_operator, "orders.dlq");
  CHECK(actions.size() == 1);
  CHECK(actions.at(key.id) == LetterAction::redriven);
  CHECK(letter_actions(as_operator, "others.dlq").empty());
}

TEST_CASE("a letter that is dropped leaves the inbox as it is, one that is no event as well") {
  test::TestDatabase const database;
  auto const event = random_uuid();
  process(database, "chat", event);
  pqxx::connection as_operator{database.url_as("operator")};
  CHECK(take(as_operator, letter(event), LetterAction::dropped));
  auto no_event = letter(event);
  no_event.event_key.reset();
  CHECK(take(as_operator, no_event, LetterAction::redriven));
  CHECK(inbox(database, "chat") == 1);
}

TEST_CASE("of two who take a letter at the same time one waits and gets nothing") {
  test::TestDatabase const database;
  auto const key = letter(random_uuid());
  pqxx::connection first{database.url_as("operator")};
  pqxx::connection admin{database.url()};
  for (auto const commits : {false, true}) {
    pqxx::work transaction{first};
    CHECK(take_letter(transaction, key, LetterAction::redriven, "first"));
    auto second = std::async(std::launch::async, [&] {
      pqxx::connection connection{database.url_as("operator")};
      return take(connection, key, LetterAction::redriven);
    });
    test::await_lock_wait(admin);
    if (commits) {
      transaction.commit();
      CHECK_FALSE(second.get());
    } else {
      transaction.abort();
      CHECK(second.get());
      pqxx::nontransaction{admin}.exec("DELETE FROM pipeline.dead_letter_actions");
    }
  }
}

TEST_CASE("PostgreSQL refuses what is not an operator's, and what an operator may not do") {
  test::TestDatabase const database;
  auto const key = letter(random_uuid());
  for (auto const* const role : {"chat", "relay", "gateway", "replay", "readonly"}) {
    CAPTURE(role);
    pqxx::connection connection{database.url_as(role)};
    CHECK_THROWS_AS(take(connection, key, LetterAction::redriven), pqxx::insufficient_privilege);
  }
  pqxx::connection as_operator{database.url_as("operator")};
  for (auto const* const sql :
       {"DELETE FROM pipeline.inbox", "INSERT INTO pipeline.inbox (consumer, event_id) VALUES ('a', gen_random_uuid())",
        "INSERT INTO pipeline.dead_letter_actions (letter_id, topic, partition, letter_offset, consumer, action, actor)"
        " VALUES (gen_random_uuid(), 'a', 0, 0, 'a', 'dropped', 'a')",
        "DELETE FROM pipeline.dead_letter_actions", "UPDATE pipeline.dead_letter_actions SET actor = 'b'"}) {
    CAPTURE(sql);
    CHECK_THROWS_AS(pqxx::nontransaction{as_operator}.exec(sql), pqxx::insufficient_privilege);
  }
}

TEST_CASE("a partition's turn belongs to one operator at a time, and goes back when the connection ends") {
  test::TestDatabase const database;
  pqxx::connection admin{database.url()};
  auto first = std::make_unique<pqxx::connection>(database.url_as("operator"));
  pqxx::connection second{database.url_as("operator")};
  auto held = std::make_unique<PartitionTurn>(*first, "orders.dlq", 3);
  PartitionTurn const other{second, "orders.dlq", 4};
  auto waiting = std::async(std::launch::async, [&] { PartitionTurn const turn{second, "orders.dlq", 3}; });
  test::await_lock_wait(admin);
  first->close();
  waiting.get();
  held.reset();
}
