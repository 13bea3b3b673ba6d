// How matches are opened and their analyses stored, alone and together with those of other events.
#include "tests/workers/match/stored_matches.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::match;
using namespace omnibus::match::test;

TEST_CASE("an analysis is stored with its insights, and replaces an earlier one") {
  StoredMatches tables;
  auto const match = tables.open()->id;
  CHECK(tables.analyse(match, "First") == Stored::stored);
  CHECK(tables.analyse(match) == Stored::stored);
  CHECK(tables.value("SELECT concat_ws('|', status, opportunity_score, score_parts, predicted_probabilities, "
                     "predicted_outcome, analysis_summary, match_reasoning, analyzed_at IS NOT NULL) FROM "
                     "omniscient_matches") ==
        R"(analyzed|0.29|{"fit": 0.285}|{"NO_MATCH": 1.0}|NO_MATCH|Summary.|Why.|t)");
  CHECK(tables.value("SELECT string_agg(concat_ws('|', insight_type, title, description, relevance_score, score), ' ' "
                     "ORDER BY relevance_score) FROM omniscient_insights i JOIN omniscient_match_insights ON "
                     "insight_id = i.id WHERE user_a_id < user_b_id") ==
        R"(synergy|Cases|It's "so".|0.29|0.80 risk|Far|Far apart.|0.40)");
  CHECK(tables.value("SELECT count(*) FROM omniscient_insights") == "2");
}

TEST_CASE("analyses of many matches are stored in one transaction, each by its own state and wish") {
  StoredMatches tables;
  for (int i = 3; i <= 8; ++i) tables.add_person(i);
  auto const plain = tables.add_match(1, 2, "pending_analysis");
  auto const due = tables.add_match(3, 4, "analyzed");
  auto const barred = tables.add_match(5, 6, "pending_analysis");
  auto const ended = tables.add_match(7, 8, "cancelled");
  tables.execute("INSERT INTO omniscient_blocks VALUES ('" + to_string(user(5)) + "', '" + to_string(user(6)) + "')");
  std::vector<StoredAnalysis> became;
  tables.in_unit([&](UnitOfWork& unit) {
    for (auto const& match : {due, ended, plain, barred, plain}) {
      AnalysedMatch analysed{"0.29", "{}", "{}", "NO_MATCH", "Summary.", to_string(match), {}};
      analysed.insights.push_back({random_uuid(), "synergy", to_string(match), "It is.", 0.5, 0.8});
      tables.store.store(unit, match, std::move(analysed), match == due,
                         [&](StoredAnalysis stored) { became.push_back(std::move(stored)); });
    }
  });
  REQUIRE(became.size() == 5);
  CHECK(became[0].stored == Stored::stored);
  CHECK(became[0].schedule);
  CHECK(became[1].stored == Stored::moved_on);
  CHECK(became[2].stored == Stored::stored);
  CHECK_FALSE(became[2].schedule);
  CHECK(became[3].stored == Stored::withdrawn);
  CHECK(became[4].stored == Stored::moved_on);  // the same match once more
  CHECK(tables.status(plain) == "analyzed");
  CHECK(tables.status(due) == "scheduled");
  CHECK(tables.status(barred) == "cancelled withdrawn");
  CHECK(tables.value("SELECT count(*) FROM omniscient_matches m JOIN omniscient_match_insights j ON j.match_id = m.id"
                     " JOIN omniscient_insights i ON i.id = j.insight_id AND i.user_a_id = m.user_a_id"
                     " WHERE i.title = m.id::text AND m.match_reasoning = m.id::text") == "2");
}

TEST_CASE("a pair that changed since it was read gets no match") {
  StoredMatches tables;
  tables.add_person(3);
  auto const open = [&](Pair const& pair, int ended) {
    auto const id = to_string(name_uuid(Uuid{}, std::to_string(ended)));
    pqxx::connection connection{tables.database.url_as("match")};
    return pqxx::nontransaction{connection}.query_value<std::optional<std::string>>(
        "SELECT status FROM open_matches($1, ARRAY['shop.example'], $2, $3, ARRAY[NULL::uuid], $4)",
        pqxx::params{"{" + id + "}", "{" + to_string(pair.a) + "}", "{" + to_string(pair.b) + "}",
                     "{" + std::to_string(ended) + "}"});
  };
  tables.add_match(1, 2, "completed");
  CHECK_FALSE(open({user(1), user(2)}, 0));  // a match that has ended meanwhile is not opened again
  CHECK(open({user(1), user(2)}, 1) == "pending_analysis");
  CHECK(open({user(1), user(2)}, 1) == "pending_analysis");
  CHECK_FALSE(open({user(1), user(9)}, 0));
  CHECK(tables.value("SELECT count(*) FROM omniscient_matches") == "2");
}

TEST_CASE("an analysis is not stored of a match that moved on, was deleted or may not be any more") {
  StoredMatches tables;
  auto const match = tables.open()->id;
  tables.execute("INSERT INTO omniscient_blocks VALUES ('" + to_string(user(2)) + "', '" + to_string(user(1)) + "')");
  CHECK(tables.analyse(match) == Stored::withdrawn);
  CHECK(tables.status(match) == "cancelled withdrawn");
  CHECK(tables.analyse(match) == Stored::moved_on);
  tables.execute("DELETE FROM omniscient_blocks");
  CHECK(tables.analyse(tables.add_match(1, 2, "scheduled")) == Stored::moved_on);
  CHECK(tables.analyse(random_uuid()) == Stored::moved_on);
  CHECK(tables.value("SELECT count(*) FROM omniscient_insights") == "0");
}
