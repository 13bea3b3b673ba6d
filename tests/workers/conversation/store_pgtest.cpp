// What the conversation worker writes, as its own role and as a replay's.
#include "tests/workers/conversation/conversation_tables.hpp"

#include <set>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::conversation;
using namespace omnibus::conversation::test;

TEST_CASE("a conversation begins once, for an active match that has none") {
  ConversationTables at;
  CHECK(at.begin() == Beginning::begun);
  CHECK(at.database.text("SELECT status FROM omniscient_conversations") == "active");
  CHECK(at.begin() == Beginning::not_open);
  at.database.execute("UPDATE omniscient_conversations SET status = 'failed'");
  CHECK(at.begin() == Beginning::not_open);  // its id is used
  auto other = at.request;
  other.conversation_id = name_uuid(Uuid{}, "the next attempt");
  CHECK(at.begin_all({other}).at(0) == Beginning::begun);
}

TEST_CASE("of two requests with one conversation id in a transaction the first begins") {
  ConversationTables at;
  auto unknown = at.request;
  unknown.conversation_id = name_uuid(Uuid{}, "another");
  unknown.match_id = Uuid{};
  CHECK(at.begin_all({at.request, unknown, at.request}) ==
        std::vector{Beginning::begun, Beginning::unknown_match, Beginning::not_open});
}

TEST_CASE("two requests of one match in a transaction fail together, and alone one of them begins") {
  ConversationTables at;
  auto other = at.request;
  other.conversation_id = name_uuid(Uuid{}, "another");
  CHECK_THROWS_AS(at.begin_all({at.request, other}), pqxx::unique_violation);
  CHECK(at.begin() == Beginning::begun);
  CHECK(at.begin_all({other}).at(0) == Beginning::not_open);
}

TEST_CASE("what keeps a conversation from beginning is told apart") {
  ConversationTables at;
  SUBCASE("the match is not active") {
    at.database.execute("UPDATE omniscient_matches SET status = 'completed'");
    CHECK(at.begin() == Beginning::not_open);
  }
  SUBCASE("the match is another tenant's") {
    at.database.add_tenant("bank.example");
    at.database.execute("UPDATE omniscient_matches SET domain = 'bank.example'");
    CHECK(at.begin() == Beginning::unknown_match);
  }
  SUBCASE("the match is gone with one of its people") {
    at.database.execute("DELETE FROM users WHERE handle LIKE 'Zo%'");
    CHECK(at.begin() == Beginning::erased);
    CHECK(at.begin_again() == Beginning::erased);
  }
  SUBCASE("the tenant is suspended") {
    at.database.execute("UPDATE tenants SET status = 'suspended'");
    CHECK(at.begin() == Beginning::inactive_tenant);
    at.as("conversation", [&](UnitOfWork& unit) {
      CHECK(at.store.fail_to_begin(unit, at.request, {StopReason::withdrawn, "inactive_tenant"}));
      CHECK_FALSE(at.store.fail_to_begin(unit, at.request, {StopReason::withdrawn, "inactive_tenant"}));
    });
    CHECK(at.database.text("SELECT concat(status, stop_reason, error) FROM omniscient_conversations") ==
          "failedwithdrawninactive_tenant");
  }
  CHECK(at.database.number("SELECT count(*) FROM omniscient_conversations WHERE status = 'active'") == 0);
}

TEST_CASE("a turn reads its speaker's story, and the match's insights without risks") {
  ConversationTables at;
  REQUIRE(at.begin() == Beginning::begun);
  auto const first = at.open(1);
  CHECK(first.state == OpenConversation::State::running);
  CHECK(first.tenant_active);
  CHECK(first.may_go_on);
  CHECK(first.speaker_id == at.database.person_a);
  CHECK(first.own_handle == "Zoë O'Brien");
  CHECK(first.other_handle == "助手 <1>");
  CHECK(first.story.narrative == "I build timber bridges.");
  CHECK_FALSE(first.story.current_focus);
  CHECK(first.story.seeking_connections == std::vector<std::string>{"tests", R"(a "b",c)"});
  CHECK(first.turns == 0);
  CHECK(first.history.empty());
  CHECK(first.age < std::chrono::minutes{5});
  REQUIRE(first.insights.size() == 2);
  for (auto const& insight : first.insights) CHECK(insight.type != "risk");
  auto const second = at.open(2);
  CHECK(second.own_handle == "助手 <1>");
  CHECK(second.story.narrative == "I test joints.");
  CHECK(second.story.current_focus == "joints");
}

TEST_CASE("a turn reads what the turns before it left") {
  ConversationTables at;
  REQUIRE(at.begin() == Beginning::begun);
  at.store_turn(at.turn(1));
  auto const open = at.open(2);
  CHECK(open.turns == 1);
  CHECK(open.totals.tokens == 120);
  CHECK(open.totals.cost_nano_usd == 31'234);
  REQUIRE(open.history.size() == 1);
  CHECK(open.history[0].message == "Hello");
  for (auto const& insight : open.insights) {
    CHECK(insight.advanced == (insight.type == "synergy"));
    CHECK(insight.relevance == (insight.type == "synergy" ? 90 : 45));
    CHECK(insight.score == 50);
  }
}

TEST_CASE("of a long history the newest turns are read, and the last one in any case") {
  ConversationTables at;
  REQUIRE(at.begin() == Beginning::begun);
  for (int number = 1; number <= 6; ++number) {
    auto turn = at.turn(number);
    turn.message = std::string(400, static_cast<char>('0' + number));
    auto const key = name_uuid(at.event, std::to_string(number));
    REQUIRE(at.store_turn(std::move(turn), key).storage == TurnStorage::stored);
  }
  CHECK(at.open(7, 250).history.size() == 2);
  CHECK(at.open(7, 250).history.back().message.starts_with("6"));
  CHECK(at.open(7, 1).history.size() == 1);
  CHECK(at.open(7, 10'000).history.size() == 6);
}

TEST_CASE("consent, status, blocks, stories and the match are read anew for each turn") {
  for (std::string const sql :
       {"UPDATE users SET status = 'SUSPENDED' WHERE handle LIKE 'Zo%'",
        "UPDATE users SET status = 'PENDING' WHERE handle NOT LIKE 'Zo%'",
        "UPDATE users SET deep_analysis_consent_at = NULL WHERE handle LIKE 'Zo%'",
        "UPDATE users SET deep_analysis_consent_at = NULL WHERE handle NOT LIKE 'Zo%'",
        "INSERT INTO omniscient_blocks (user_id, other_id) SELECT b.id, a.id FROM users a, users b WHERE a.id < b.id",
        "INSERT INTO omniscient_blocks (user_id, other_id) SELECT a.id, b.id FROM users a, users b WHERE a.id < b.id",
        "UPDATE omniscient_matches SET status = 'cancelled'",
        "DELETE FROM personal_stories WHERE narrative LIKE '%joints%'",
        "DELETE FROM personal_stories WHERE narrative LIKE '%bridges%'"}) {
    CAPTURE(sql);
    ConversationTables at;
    REQUIRE(at.begin() == Beginning::begun);
    at.database.execute(sql);
    CHECK_FALSE(at.open(1).may_go_on);
    CHECK_FALSE(at.open(2).may_go_on);
  }
}

TEST_CASE("what is not there is told apart from what was erased") {
  ConversationTables at;
  CHECK(at.open(1).state == OpenConversation::State::unknown);
  REQUIRE(at.begin() == Beginning::begun);
  pqxx::connection connection{at.database.url_as("conversation")};
  AgentTurnRequested event{at.database.domain, at.database.conversation, Uuid{}, 1};
  CHECK(at.store.read(connection, event, at.event, 100).state == OpenConversation::State::unknown);  // of another match
  at.database.add_tenant("bank.example");
  event = {"bank.example", at.database.conversation, at.database.match, 1};
  CHECK(at.store.read(connection, event, at.event, 100).state == OpenConversation::State::unknown);
  event.domain = "nobody.example";
  CHECK_THROWS_AS(at.store.read(connection, event, at.event, 100), Failure);
  at.database.execute("UPDATE tenants SET status = 'suspended' WHERE domain = 'shop.example'");
  CHECK_FALSE(at.open(1).tenant_active);
  at.database.execute("DELETE FROM users");
  CHECK(at.open(1).state == OpenConversation::State::erased);
}

TEST_CASE("the worker's role can make exactly the allowed transitions of a conversation") {
  ConversationTables at;
  std::vector<std::string> const states{"scheduled", "active", "completed", "failed"};
  std::set<std::pair<std::string, std::string>> allowed;
  for (auto const& from : states)
    for (auto const& to : states) {
      if (from == to) continue;
      pqxx::connection connection{at.database.url_as("conversation")};
      pqxx::work transaction{connection};
      transaction.exec(
          "INSERT INTO omniscient_conversations (id, match_id, domain, status) VALUES ($1, $2, $3, $4)",
          pqxx::params{to_string(at.database.conversation), to_string(at.database.match), at.database.domain, from});
      try {
        transaction.exec("UPDATE omniscient_conversations SET status = $1", pqxx::params{to});
        allowed.emplace(from, to);
      } catch (pqxx::check_violation const&) {
      }
    }
  CHECK(allowed ==
        std::set<std::pair<std::string, std::string>>{
            {"scheduled", "active"}, {"scheduled", "failed"}, {"active", "completed"}, {"active", "failed"}});
}

TEST_CASE("the worker's role writes nothing but conversations and turns") {
  ConversationTables at;
  REQUIRE(at.begin() == Beginning::begun);
  REQUIRE(at.store_turn(at.turn(1)).storage == TurnStorage::stored);
  for (std::string const sql : {"UPDATE omniscient_matches SET status = 'completed'",
                                "UPDATE users SET status = 'SUSPENDED'", "UPDATE personal_stories SET narrative = ''",
                                "DELETE FROM omniscient_turns", "DELETE FROM omniscient_conversations",
                                "UPDATE omniscient_turns SET message = 'another'", "DELETE FROM pipeline.forgotten"})
    CHECK_THROWS_AS(at.as("conversation", [&](UnitOfWork& unit) { unit.transaction().exec(sql); }),
                    pqxx::insufficient_privilege);
}

TEST_CASE("a person who is deleted takes the conversation along, and it is remembered as erased") {
  ConversationTables at;
  REQUIRE(at.begin() == Beginning::begun);
  REQUIRE(at.store_turn(at.turn(1)).storage == TurnStorage::stored);
  at.database.execute("DELETE FROM users WHERE handle LIKE 'Zo%'");
  CHECK(
      at.database.number("SELECT (SELECT count(*) FROM omniscient_turns) + (SELECT count(*) FROM omniscient_matches) + "
                         "(SELECT count(*) FROM omniscient_conversations)") == 0);
  CHECK(at.store_turn(at.turn(1)).storage == TurnStorage::erased);
  auto unknown = at.turn(1);
  unknown.conversation_id = at.event;
  CHECK(at.store_turn(std::move(unknown)).storage == TurnStorage::not_next);
  CHECK(at.begin() == Beginning::erased);
}

TEST_CASE("a replay over complete tables changes nothing; it stores lost rows again as they were") {
  ConversationTables at;
  REQUIRE(at.begin() == Beginning::begun);
  at.database.execute(
      "INSERT INTO pipeline.llm_responses (request_key, event_id, model, response, created_at) VALUES "
      "(gen_random_uuid(), '" +
      to_string(at.event) + "', 'm', '{}', '2026-11-29T10:00:00Z')");
  at.store_turn(at.turn(1));
  auto const before = at.dump();
  CHECK(at.begin_again() == Beginning::not_open);
  at.log_beginning();
  CHECK(at.begin_again() == Beginning::begun);
  CHECK(at.store_turn(at.turn(1), "replay").storage == TurnStorage::not_next);
  CHECK(at.dump() == before);
  auto const turns = at.turns();
  at.database.execute("TRUNCATE omniscient_turns");
  CHECK(at.store_turn(at.turn(1), "replay").storage == TurnStorage::stored);
  CHECK(at.turns() == turns);
  at.database.execute("TRUNCATE omniscient_conversations CASCADE");
  at.database.execute("UPDATE omniscient_matches SET status = 'completed'");
  CHECK(at.begin_again() == Beginning::begun);
  CHECK(at.database.number("SELECT count(*) FROM omniscient_conversations") == 1);
}

TEST_CASE("running conversations are counted") {
  ConversationTables at;
  pqxx::connection connection{at.database.url_as("conversation")};
  CHECK(count_active(connection) == 0);
  REQUIRE(at.begin() == Beginning::begun);
  CHECK(count_active(connection) == 1);
}
