// What the match worker writes for a pair that is parked, in an engine and a migrated database as role match.
#include "assistant/answer_store.hpp"
#include "tests/common/engine/parking_engine.hpp"
#include "tests/common/llm/fake_llm.hpp"
#include "workers/match/handler.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::match;

namespace {

constexpr auto a = "00000000-0000-0000-0000-000000000001";
constexpr auto b = "00000000-0000-0000-0000-000000000002";

/// Two people, and a model that answers garbage.
struct ParkedPairs {
  ParkedPairs() {
    engine.database.add_tenant("shop.example");
    for (auto const* id : {a, b}) {
      engine.database.execute(
          std::string{"INSERT INTO users (id, domain, handle, status, deep_analysis_consent_at) VALUES ('"} + id +
          "', 'shop.example', '" + id + "', 'APPROVED', now());" +
          "INSERT INTO personal_stories (user_id, narrative) VALUES ('" + id + "', 'A story.')");
    }
    for (int i = 0; i < 4; ++i) script.say("I would rather not say.");
  }
  void park(char const* user_b) {
    engine.park(MatchManualRequested{"shop.example", *parse_uuid(a), *parse_uuid(user_b), {}});
  }
  auto number(std::string const& query) { return engine.database.number("SELECT count(*) FROM " + query); }

  MatchSettings settings;
  llm::test::FakeLlm::Script script;
  engine::test::ParkingEngine<MatchHandler> engine{
      "match.requests", [this] {
        return std::make_unique<MatchHandler>(
            settings,
            MatchStores{std::make_unique<PostgresPeople>(), std::make_unique<PostgresCandidates>(),
                        std::make_unique<PostgresMatches>()},
            std::make_unique<assistant::Model>(settings, std::make_unique<llm::test::FakeLlm>(script),
                                               std::make_unique<assistant::PostgresAnswers>()));
      }};
};

}  // namespace

TEST_CASE("a parked pair: its match is cancelled, its log row ends as failed, and a redrive asks again") {
  ParkedPairs pairs;
  pairs.park(b);
  auto const* const failed =
      "omniscient_processing_logs l JOIN omniscient_matches m ON m.id = l.target_id WHERE l.action = 'manual_match' "
      "AND l.status = 'failed' AND l.error_message = 'model_output' AND m.status = 'cancelled' "
      "AND m.cancel_reason = 'analysis_failed'";
  CHECK(pairs.number(failed) == 1);
  CHECK(pairs.script.asked.size() == 2);
  CHECK(pairs.number("pipeline.llm_responses") == 0);
  pairs.engine.redrive();
  CHECK(pairs.script.asked.size() == 4);
  CHECK(pairs.number("omniscient_matches WHERE cancel_reason = 'analysis_failed'") == 2);
  CHECK(pairs.number("omniscient_processing_logs") == 1);
}

TEST_CASE("a parked pair of one person: a log row, and no match") {
  ParkedPairs pairs;
  pairs.park(a);
  CHECK(pairs.number("omniscient_processing_logs WHERE status = 'failed' AND error_message = 'same_person'") == 1);
  CHECK(pairs.number("omniscient_matches") == 0);
  CHECK(pairs.script.asked.empty());
}

TEST_CASE("a person who was deleted while their pair was analysed does not come back") {
  ParkedPairs pairs;
  pairs.script.on_asked = [&] {
    pairs.engine.database.execute(std::string{"DELETE FROM users WHERE id = '"} + a + "'");
  };
  pairs.park(b);
  CHECK(pairs.number("omniscient_matches") == 0);
  CHECK(pairs.number("users") == 1);
  CHECK(pairs.number("omniscient_processing_logs WHERE status = 'failed'") == 1);
}
