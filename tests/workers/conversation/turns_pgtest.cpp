// How turns are stored, alone and together with those of other events.
#include "tests/common/engine/engine_fixture.hpp"
#include "tests/workers/conversation/conversation_tables.hpp"

#include <chrono>
#include <future>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::conversation;
using namespace omnibus::conversation::test;

TEST_CASE("a turn is stored once per number, with its scores and what it took") {
  ConversationTables at;
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
  ConversationTables at;
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
  ConversationTables at;
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
  ConversationTables at;
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
  ConversationTables at;
  REQUIRE(at.begin() == Beginning::begun);
  auto turn = at.turn(1);
  turn.message.clear();
  CHECK(at.store_turn(turn).storage == TurnStorage::stored);
  CHECK(at.database.number("SELECT count(*) FROM omniscient_turns") == 0);
  CHECK(at.database.number("SELECT total_tokens FROM omniscient_conversations") == 120);
}

TEST_CASE("the cost of many cheap calls is not lost in rounding") {
  ConversationTables at;
  REQUIRE(at.begin() == Beginning::begun);
  auto turn = at.turn(1);
  turn.message.clear();
  turn.model.clear();
  for (int i = 0; i < 4; ++i) at.store_turn(turn, name_uuid(at.event, std::to_string(i)));
  CHECK(at.database.text("SELECT total_cost FROM omniscient_conversations") == "0.0001");
}

TEST_CASE("a conversation's row is updated in place") {
  ConversationTables at;
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
  ConversationTables at;
  REQUIRE(at.begin() == Beginning::begun);
  at.end({StopReason::agreed_end, {}});
  CHECK(at.store_turn(at.turn(1)).storage == TurnStorage::not_next);
  CHECK(at.database.text(
            "SELECT concat(status, stop_reason) FROM omniscient_conversations WHERE completed_at IS NOT NULL") ==
        "completedagreed_end");
  CHECK_THROWS_AS(at.end({StopReason::refused, {}}), pqxx::check_violation);
}
