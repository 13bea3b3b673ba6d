// What the conversation worker writes, as its own role and as a replay's.
#include "tests/common/engine/engine_fixture.hpp"
#include "tests/workers/conversation/matched_pair.hpp"
#include "workers/conversation/store.hpp"

#include <chrono>
#include <functional>
#include <future>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::conversation;
using namespace omnibus::conversation::test;

namespace {

/// A transaction as a handler sees it, without the engine's part.
class BareUnit final : public UnitOfWork {
 public:
  explicit BareUnit(pqxx::transaction_base& transaction) : transaction_{transaction} {}
  pqxx::transaction_base& transaction() override { return transaction_; }
  Uuid last_key() const override { return {}; }
  /// Writes what was gathered so far.
  void write() { gathered_.write(transaction_); }

 private:
  void publish_event(std::string_view, std::string, std::string) override {}
  postgres::Gathered& gathered() override { return gathered_; }

  pqxx::transaction_base& transaction_;
  postgres::Gathered gathered_;
};

struct Store {
  /// Runs something in a transaction of a role.
  void as(std::string const& role, std::function<void(BareUnit&)> const& work) const {
    pqxx::connection connection{database.url_as(role)};
    pqxx::work transaction{connection};
    BareUnit unit{transaction};
    work(unit);
    unit.write();
    transaction.commit();
  }
  Beginning begin() { return begin_all({request}).at(0); }
  /// Requests that share a transaction.
  std::vector<Beginning> begin_all(std::vector<AgentConversationRequested> const& requests) {
    std::vector<Beginning> results(requests.size(), Beginning::not_open);
    as("conversation", [&](UnitOfWork& unit) {
      for (std::size_t i = 0; i < requests.size(); ++i)
        store.begin(unit, requests[i], [&results, i](Beginning became) { results[i] = became; });
    });
    return results;
  }
  StoredTurn store_turn(NewTurn turn, std::string const& role = "conversation") {
    return store_turn(std::move(turn), event, role);
  }
  StoredTurn store_turn(NewTurn turn, Uuid const& event_key, std::string const& role = "conversation") {
    StoredTurn result;
    as(role, [&](UnitOfWork& unit) {
      store.store_turn(unit, event_key, std::move(turn), [&](StoredTurn stored) { result = std::move(stored); });
    });
    return result;
  }
  void end(ConversationEnd end) {
    as("conversation", [&](UnitOfWork& unit) { store.end(unit, database.conversation, std::move(end)); });
  }
  Beginning begin_again() {
    auto result = Beginning::begun;
    as("replay", [&](UnitOfWork& unit) { result = store.begin_again(unit, request, event); });
    return result;
  }
  /// Its request was handled.
  void log_beginning() const {
    database.execute(
        "INSERT INTO omniscient_processing_logs (process_type, action, status, target_id, event_id, domain, "
        "completed_at) "
        "VALUES ('conversation', 'begin_conversation', 'completed', '" +
        to_string(database.conversation) + "', '" + to_string(event) + "', 'shop.example', now())");
  }
  NewTurn turn(std::int64_t number) const {
    NewTurn turn{database.conversation, number, database.person_a, "agent_a", "Hello"};
    turn.insights = {{*parse_uuid("00000000-0000-4000-b000-000000000001"), 90, Extent::advanced},
                     {*parse_uuid("00000000-0000-4000-b000-000000000003"), 45, Extent::touched}};
    turn.spent.prompt_tokens = 100;
    turn.spent.completion_tokens = 20;
    turn.spent.cost_nano_usd = 31'234;
    turn.spent.duration_ms = 7;
    turn.model = "omnibus-small";
    return turn;
  }
  OpenConversation open(std::int64_t number, std::int32_t history_tokens = 1'500) const {
    pqxx::connection connection{database.url_as("conversation")};
    return store.read(connection, {database.domain, database.conversation, database.match, number}, event,
                      history_tokens);
  }
  std::string turns() const {
    return database.text("SELECT string_agg(t::text, ';' ORDER BY id) FROM omniscient_turns t");
  }
  /// A dump of what the worker writes.
  std::string dump() const {
    return database.text(
        "SELECT concat((SELECT string_agg(c::text, ';' ORDER BY id) FROM omniscient_conversations c), '|',"
        " (SELECT string_agg(t::text, ';' ORDER BY id) FROM omniscient_turns t))");
  }

  MatchedPair database;
  PostgresAgentConversations store;
  AgentConversationRequested const request{database.domain, database.conversation, database.match};
  Uuid const event = name_uuid(Uuid{}, "event");
};

}  // namespace

TEST_CASE("a conversation begins once, for an active match that has none") {
  Store at;
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
  Store at;
  auto unknown = at.request;
  unknown.conversation_id = name_uuid(Uuid{}, "another");
  unknown.match_id = Uuid{};
  CHECK(at.begin_all({at.request, unknown, at.request}) ==
        std::vector{Beginning::begun, Beginning::unknown_match, Beginning::not_open});
}

TEST_CASE("two requests of one match in a transaction fail together, and alone one of them begins") {
  Store at;
  auto other = at.request;
  other.conversation_id = name_uuid(Uuid{}, "another");
  CHECK_THROWS_AS(at.begin_all({at.request, other}), pqxx::unique_violation);
  CHECK(at.begin() == Beginning::begun);
  CHECK(at.begin_all({other}).at(0) == Beginning::not_open);
}

TEST_CASE("what keeps a conversation from beginning is told apart") {
  Store at;
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
  Store at;
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
  Store at;
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
  Store at;
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
    Store at;
    REQUIRE(at.begin() == Beginning::begun);
    at.database.execute(sql);
    CHECK_FALSE(at.open(1).may_go_on);
    CHECK_FALSE(at.open(2).may_go_on);
  }
}

TEST_CASE("what is not there is told apart from what was erased") {
  Store at;
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

TEST_CASE("a turn is stored once per number, with its scores and what it took") {
  Store at;
  REQUIRE(at.begin() == Beginning::begun);
  auto const first = at.store_turn(at.turn(1));
  CHECK(first.storage == TurnStorage::stored);
  CHECK(first.earlier.empty());
  CHECK(at.store_turn(at.turn(1), name_uuid(Uuid{}, "another event")).storage == TurnStorage::not_next);
  CHECK(at.store_turn(at.turn(3), name_uuid(Uuid{}, "a later event")).storage == TurnStorage::not_next);
  CHECK(at.database.text("SELECT concat_ws(' ', turn_number, speaker_role, message, opportunity_alignment_score, "
                         "cardinality(guided_by_insights), cardinality(advanced_insights), prompt_tokens, "
                         "completion_tokens, response_time_ms) FROM omniscient_turns") ==
        "1 agent_a Hello 0.83 2 1 100 20 7");
  CHECK(at.database.text("SELECT concat_ws(' ', total_tokens, total_cost, spent_usd, model_used, completed_at) "
                         "FROM omniscient_conversations") == "120 0.0000 0.000031234 omnibus-small");
}

TEST_CASE("two events of one turn in a transaction store it once") {
  Store at;
  REQUIRE(at.begin() == Beginning::begun);
  std::vector<TurnStorage> outcomes;
  at.as("conversation", [&](UnitOfWork& unit) {
    for (auto const* const name : {"one", "other"})
      at.store.store_turn(unit, name_uuid(Uuid{}, name), at.turn(1),
                          [&](StoredTurn const& stored) { outcomes.push_back(stored.storage); });
  });
  CHECK(outcomes == std::vector{TurnStorage::stored, TurnStorage::not_next});
  CHECK(at.database.number("SELECT count(*) FROM omniscient_turns") == 1);
  CHECK(at.database.number("SELECT total_tokens FROM omniscient_conversations") == 120);
}

TEST_CASE("a stored turn tells the ones before it, in order") {
  Store at;
  REQUIRE(at.begin() == Beginning::begun);
  for (int number = 1; number <= 3; ++number) {
    auto turn = at.turn(number);
    turn.message = R"(says "it", \)" + std::to_string(number);
    turn.wants_to_end = number == 2;
    auto const stored = at.store_turn(std::move(turn), name_uuid(at.event, std::to_string(number)));
    REQUIRE(std::ssize(stored.earlier) == number - 1);
    for (std::size_t i = 0; i < stored.earlier.size(); ++i) {
      CHECK(stored.earlier[i].message == R"(says "it", \)" + std::to_string(i + 1));
      CHECK(stored.earlier[i].wants_to_end == (i == 1));
    }
  }
}

TEST_CASE("a turn waits for another one's transaction, and then sees what it stored") {
  Store at;
  REQUIRE(at.begin() == Beginning::begun);
  pqxx::connection connection{at.database.url_as("conversation")};
  pqxx::work first{connection};
  BareUnit unit{first};
  at.store.store_turn(unit, name_uuid(Uuid{}, "another event"), at.turn(1), [](StoredTurn const&) {});
  unit.write();
  auto storing = std::async(std::launch::async, [&] { return at.store_turn(at.turn(1)).storage; });
  CHECK(storing.wait_for(std::chrono::milliseconds{200}) == std::future_status::timeout);
  first.commit();
  CHECK(storing.get() == TurnStorage::not_next);
}

TEST_CASE("without a message only what was spent is stored") {
  Store at;
  REQUIRE(at.begin() == Beginning::begun);
  auto turn = at.turn(1);
  turn.message.clear();
  CHECK(at.store_turn(turn).storage == TurnStorage::stored);
  CHECK(at.database.number("SELECT count(*) FROM omniscient_turns") == 0);
  CHECK(at.database.number("SELECT total_tokens FROM omniscient_conversations") == 120);
}

TEST_CASE("the cost of many cheap calls is not lost in rounding") {
  Store at;
  REQUIRE(at.begin() == Beginning::begun);
  auto turn = at.turn(1);
  turn.message.clear();
  turn.model.clear();
  for (int i = 0; i < 4; ++i) at.store_turn(turn, name_uuid(at.event, std::to_string(i)));
  CHECK(at.database.text("SELECT total_cost FROM omniscient_conversations") == "0.0001");
}

TEST_CASE("a conversation's row is updated in place") {
  Store at;
  REQUIRE(at.begin() == Beginning::begun);
  for (int number = 1; number <= 2; ++number)
    at.store_turn(at.turn(number), name_uuid(at.event, std::to_string(number)));
  CHECK(engine::test::eventually([&] {
    return at.database.number(
               "SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = "
               "'omniscient_conversations'") == 2;
  }));
}

TEST_CASE("a conversation that has ended takes no more turns, and stays as it is") {
  Store at;
  REQUIRE(at.begin() == Beginning::begun);
  at.end({StopReason::agreed_end, {}});
  CHECK(at.store_turn(at.turn(1)).storage == TurnStorage::not_next);
  CHECK(at.database.text(
            "SELECT concat(status, stop_reason) FROM omniscient_conversations WHERE completed_at IS NOT NULL") ==
        "completedagreed_end");
  CHECK_THROWS_AS(at.end({StopReason::refused, {}}), pqxx::check_violation);
}

TEST_CASE("the worker's role can make exactly the allowed transitions of a conversation") {
  Store at;
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
  Store at;
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
  Store at;
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
  Store at;
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
  Store at;
  pqxx::connection connection{at.database.url_as("conversation")};
  CHECK(count_active(connection) == 0);
  REQUIRE(at.begin() == Beginning::begun);
  CHECK(count_active(connection) == 1);
}
