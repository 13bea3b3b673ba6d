// What the outcome worker reads and writes, in a migrated database as its role.
#include "engine/commit/handler_unit.hpp"
#include "events/agent_conversation.hpp"
#include "tests/common/engine/parking_engine.hpp"
#include "tests/common/llm/fake_llm.hpp"
#include "tests/workers/outcome/match_tables.hpp"
#include "workers/outcome/handler.hpp"

#include <functional>
#include <memory>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::outcome;
using namespace omnibus::outcome::test;

namespace {

/// A completed conversation of four turns, and the worker's store.
struct JudgedTables {
  bool add(std::string_view role = "outcome", std::string actual = "EXPLORATORY") {
    JudgedOutcome outcome;
    outcome.id = name_uuid(conversation, "outcome");
    outcome.conversation_id = conversation;
    outcome.match_id = match;
    outcome.domain = "shop.example";
    outcome.actual_outcome = std::move(actual);
    outcome.deviation = "As predicted.";
    outcome.quality = StoredScore::of_hundredths(58);
    outcome.readiness = StoredScore::of_hundredths(60);
    outcome.match = StoredScore::of_hundredths(100);
    outcome.follow_up = true;
    outcome.judgement.summary = "They agree.";
    outcome.judgement.analysis = "Both \"want\" it.";
    outcome.judgement.key_moments = {{3, "A question."}};
    outcome.judgement.next_steps = {{"Meet.", "high", "in March"}};
    auto added = false;
    in_unit(role, [&](UnitOfWork& unit) { added = store.add(unit, outcome); });
    return added;
  }
  void in_unit(std::string_view role, std::function<void(UnitOfWork&)> const& work) {
    pqxx::connection connection{database.url_as(role)};
    pqxx::work transaction{connection};
    postgres::Gathered gathered;
    postgres::OpenUnit inner{transaction, gathered};
    engine::HandlerUnit unit{inner,
                             engine::EventMaker{originate("/test", AgentConversationCompleted::type), "outcome"}};
    work(unit);
    transaction.commit();
  }
  std::string value(std::string const& query) { return database.value(query); }

  MatchDatabase database;
  Uuid match = database.add_match("completed");
  Uuid conversation = database.add_conversation(match, "completed", "agreed_end", {"one", "two", "three", "four"});
  PostgresOutcomes store;
};

}  // namespace

TEST_CASE("a conversation is read with its turns in order, and what was predicted") {
  JudgedTables tables;
  pqxx::connection connection{tables.database.url_as("outcome")};
  auto const held = PostgresOutcomes::read_over(connection, tables.conversation);
  REQUIRE(held);
  CHECK(held->match_id == tables.match);
  CHECK(held->domain == "shop.example");
  CHECK(held->active_tenant);
  CHECK(held->status == "completed");
  CHECK(held->stop_reason == "agreed_end");
  CHECK(held->predicted_outcome == "EXPLORATORY");
  CHECK_FALSE(held->judged);
  REQUIRE(held->turns.size() == 4);
  CHECK(held->turns[0].alignment->text() == "0.50");
  CHECK_FALSE(held->turns[1].alignment);
  CHECK(held->turns[1].speaker == "agent_b");
  CHECK(held->turns[3].message == "four");
  CHECK_FALSE(PostgresOutcomes::read_over(connection, random_uuid()));
}

TEST_CASE("an outcome and the conversation's columns are written once") {
  JudgedTables tables;
  CHECK(tables.add());
  CHECK_FALSE(tables.add("outcome", "NO_MATCH"));
  CHECK(tables.value("SELECT count(*) FROM omniscient_outcomes") == "1");
  CHECK(tables.value("SELECT to_jsonb(o) - 'id' - 'conversation_id' - 'match_id' - 'created_at' - 'updated_at' FROM "
                     "omniscient_outcomes o") ==
        R"({"domain": "shop.example", "actual_outcome": "EXPLORATORY", "outcome_analysis": "Both \"want\" it.",)"
        R"( "prediction_error": 0.2075, "predicted_outcome": "EXPLORATORY", "predicted_positive": 700000,)"
        R"( "follow_up_timeframe": null, "specific_next_steps": [{"step": "Meet.", "priority": "high",)"
        R"( "timeline": "in March"}], "collaboration_details": null, "follow_up_recommended": true,)"
        R"( "actual_collaboration_tracked": false, "collaboration_readiness_score": 0.60})");
  CHECK(tables.value("SELECT concat_ws(' ', actual_outcome, outcome_match_score, quality_score, conversation_summary, "
                     "key_moments, deviation_analysis) FROM omniscient_conversations") ==
        R"(EXPLORATORY 1.00 0.58 They agree. [{"turn": 3, "moment": "A question."}] As predicted.)");
}

TEST_CASE("why a conversation could not be judged is noted until it is") {
  JudgedTables tables;
  auto const note = [&](std::string const& domain, Uuid const& conversation) {
    tables.in_unit("outcome",
                   [&](UnitOfWork& unit) { tables.store.note_failure(unit, domain, conversation, "model_output"); });
  };
  auto const error = [&] { return tables.value("SELECT coalesce(error, '-') FROM omniscient_conversations"); };
  note("other.example", tables.conversation);
  note("shop.example", random_uuid());
  CHECK(error() == "-");
  note("shop.example", tables.conversation);
  CHECK(error() == "model_output");
  REQUIRE(tables.add());
  CHECK(error() == "-");
  note("shop.example", tables.conversation);
  CHECK(error() == "-");
}

TEST_CASE("a replay restores an outcome with the same id") {
  JudgedTables tables;
  REQUIRE(tables.add());
  auto const id = tables.value("SELECT id FROM omniscient_outcomes");
  tables.database.execute("DELETE FROM omniscient_outcomes");
  CHECK(tables.add("replay"));
  CHECK(tables.value("SELECT id FROM omniscient_outcomes") == id);
}

TEST_CASE("collaboration is recorded on the outcome of that conversation alone") {
  JudgedTables tables;
  REQUIRE(tables.add());
  OutcomeCollaborationTracked tracked{
      "shop.example", tables.match, tables.conversation, name_uuid(tables.conversation, "outcome"), true,
      "They met.",    Uuid{}};
  auto track = [&] {
    auto found = false;
    tables.in_unit("outcome", [&](UnitOfWork& unit) { found = tables.store.track(unit, tracked); });
    return found;
  };
  CHECK(track());
  CHECK(tables.value("SELECT collaboration_details || jsonb_build_object('is', actual_collaboration_tracked) FROM "
                     "omniscient_outcomes") ==
        R"({"is": true, "details": "They met.", "tracked_by": "00000000-0000-0000-0000-000000000000"})");
  tracked.tracked = false;
  tracked.details.reset();
  tracked.requested_by.reset();
  CHECK(track());
  CHECK(tables.value("SELECT collaboration_details || jsonb_build_object('is', actual_collaboration_tracked) FROM "
                     "omniscient_outcomes") == R"({"is": false})");
  tracked.domain = "other.example";
  CHECK_FALSE(track());
}

TEST_CASE("the worker writes nothing of a conversation but what came of it, and no match") {
  JudgedTables tables;
  for (auto const* const sql :
       {"UPDATE omniscient_conversations SET status = 'failed'",
        "UPDATE omniscient_conversations SET stop_reason = 'x'", "UPDATE omniscient_matches SET status = 'cancelled'",
        "DELETE FROM omniscient_outcomes", "UPDATE omniscient_turns SET message = 'x'"}) {
    CAPTURE(sql);
    pqxx::connection connection{tables.database.url_as("outcome")};
    pqxx::nontransaction session{connection};
    CHECK_THROWS_AS(session.exec(sql), pqxx::insufficient_privilege);
  }
}

TEST_CASE("in an engine: a completed conversation is judged once, by one call that is paid for") {
  MatchDatabase tables;
  auto const match = tables.add_match("completed");
  auto const conversation = tables.add_conversation(match, "completed", "agreed_end", {"one", "two", "three", "four"});
  llm::test::FakeLlm::Script script;
  script.say(
      R"({"outcome":"EXPLORATORY","interest_of_both":"yes","concrete_step":"yes","time_named":"no","both_offer":"yes",)"
      R"("nothing_in_the_way":"no","summary":"They agree.","key_moments":[],"analysis":"Both want it.",)"
      R"("next_steps":[],"follow_up_timeframe":null})");
  engine::test::Broker broker;
  engine::test::DatabaseEngine engine{
      broker, tables.url_as("outcome"), "conversations.completed", "outcome-test", [&](boost::asio::io_context&) {
        OutcomeSettings const settings;
        return std::make_unique<engine::test::HandlerOwner<OutcomeHandler>>(std::make_unique<OutcomeHandler>(
            settings, std::make_unique<PostgresOutcomes>(),
            std::make_unique<assistant::Model>(settings, std::make_unique<llm::test::FakeLlm>(script),
                                               std::make_unique<assistant::PostgresAnswers>())));
      }};
  AgentConversationCompleted const completed{"shop.example", match, conversation, "agreed_end", 4};
  auto const record = to_binary_record(originate("/test", AgentConversationCompleted::type), json::encode(completed),
                                       "conversations.completed", to_string(match));
  REQUIRE(engine::test::publish(broker, {record, record}));
  REQUIRE(engine::test::eventually([&] { return engine.counters().handled >= 2; }));
  CHECK(tables.value("SELECT actual_outcome || ' ' || collaboration_readiness_score FROM omniscient_outcomes") ==
        "EXPLORATORY 0.60");
  CHECK(tables.value("SELECT status || ' ' || action FROM omniscient_processing_logs") == "completed analyze_outcome");
  CHECK(tables.value("SELECT count(*) FROM pipeline.llm_responses") == "1");
  CHECK(script.asked.size() == 1);
}

TEST_CASE("in an engine: a request that is parked ends its row of the processing log as failed") {
  OutcomeSettings settings;
  llm::test::FakeLlm::Script script;
  engine::test::ParkingEngine<OutcomeHandler> engine{
      "conversations.completed", [&] {
        return std::make_unique<OutcomeHandler>(
            settings, std::make_unique<PostgresOutcomes>(),
            std::make_unique<assistant::Model>(settings, std::make_unique<llm::test::FakeLlm>(script),
                                               std::make_unique<assistant::PostgresAnswers>()));
      }};
  engine.database.add_tenant("shop.example");
  engine.park(OutcomeAnalysisRequested{"shop.example", random_uuid(), random_uuid(), random_uuid()});
  CHECK(engine.database.number(
            "SELECT count(*) FROM omniscient_processing_logs WHERE action = 'analyze_outcome' AND status = 'failed' "
            "AND error_message = 'unknown_conversation' AND metadata ? 'actor'") == 1);
}
