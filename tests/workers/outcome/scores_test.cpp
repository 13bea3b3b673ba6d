// What is computed of a conversation and its judgement.
#include "workers/outcome/scores.hpp"

#include "tests/common/assistant/answer_struct.hpp"
#include "workers/outcome/deviation.hpp"

#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::outcome;

namespace {

using Turns = std::vector<SpokenTurn>;

/// Turns that agent_a and agent_b speak in turn.
Turns spoken(std::vector<std::string> const& messages) {
  Turns turns;
  for (auto const& message : messages) {
    auto const number = static_cast<std::int64_t>(turns.size()) + 1;
    turns.push_back({number, number % 2 == 1 ? "agent_a" : "agent_b", message});
  }
  return turns;
}

OutcomeJudgement judged(std::string outcome) {
  OutcomeJudgement judgement;
  judgement.outcome = std::move(outcome);
  return judgement;
}

Turns const four = spoken({"aaaa", "bbbb", "cccc", "dddd"});

}  // namespace

TEST_CASE("scores are rounded half up, in decimals") {
  CHECK(StoredScore{Ratio{285, 1000}}.text() == "0.29");
  CHECK(StoredScore{Ratio{2849, 10000}}.text() == "0.28");
  CHECK(StoredScore{Ratio{695, 1000}}.text() == "0.70");
  CHECK(StoredScore{Ratio{6949, 10000}}.text() == "0.69");
  CHECK(StoredScore{Ratio{5, 1000}}.text() == "0.01");
  CHECK(StoredScore{Ratio{0}}.text() == "0.00");
  CHECK(StoredScore{Ratio{1}}.text() == "1.00");
  CHECK(StoredScore::of_hundredths(7).text() == "0.07");
  CHECK(StoredScore::of_hundredths(60).value() == 0.6);
  CHECK(StoredScore{Ratio{2, 3}} == StoredScore::of_hundredths(67));
}

TEST_CASE("quality: alignment, balance, novelty and ending in their parts") {
  CHECK(quality_score(four, "agreed_end").text() == "0.60");  // no alignment at all
  auto turns = four;
  turns[0].alignment = StoredScore::of_hundredths(100);
  turns[2].alignment = StoredScore::of_hundredths(50);
  CHECK(quality_score(turns, "agreed_end").text() == "0.90");  // 0.4 * 0.75 + 0.6
  CHECK(quality_score(turns, "max_turns").text() == "0.84");
  for (auto const* const cut : {"max_tokens", "max_cost", "deadline"})
    CHECK(quality_score(turns, cut).text() == "0.78");
  CHECK(quality_score(turns, "repetition").text() == "0.70");
}

TEST_CASE("quality: who says three times as much makes it half balanced; characters count, not bytes") {
  CHECK(quality_score(spoken({"aaaaaa", "bb"}), "repetition").text() == "0.30");  // 0.2 * 0.5 + 0.2
  CHECK(quality_score(spoken({"星期二见", "abcd"}), "repetition").text() == "0.40");
  CHECK(quality_score(spoken({"alone"}), "repetition").text() == "0.20");
}

TEST_CASE("quality: turns that repeat an earlier one are not new, however short") {
  CHECK(quality_score(spoken({"Thank you!", "Thank you!"}), "repetition").text() == "0.30");
  CHECK(quality_score(spoken({"👍", "👍", "👍", "👍"}), "repetition").text() == "0.25");
}

TEST_CASE("quality: a conversation without turns has none, and nothing is divided by zero") {
  CHECK(quality_score({}, "agreed_end").text() == "0.00");
}

TEST_CASE("quality: half a hundredth goes up") {
  // 0.4 * 0.5 + 0.2 * 1 + 0.2 * (1 - 1/8) + 0.2 * 0 = 0.575
  auto turns = spoken({"aaaaaaaa", "bbbbbbbb", "cccccccc", "dddddddd", "eeeeeeee", "ffffffff", "gggggggg", "aaaaaaaa"});
  for (auto& turn : turns) turn.alignment = StoredScore::of_hundredths(50);
  CHECK(quality_score(turns, "repetition").text() == "0.58");
}

TEST_CASE("readiness is the mean of five judgements") {
  auto judgement = judged("EXPLORATORY");
  CHECK(readiness_score(judgement).text() == "0.00");
  judgement.interest_of_both = judgement.concrete_step = "yes";
  judgement.time_named = "no";
  judgement.both_offer = "partly";
  judgement.nothing_in_the_way = "partly";
  CHECK(readiness_score(judgement).text() == "0.60");
  judgement.time_named = judgement.both_offer = judgement.nothing_in_the_way = "yes";
  CHECK(readiness_score(judgement).text() == "1.00");
}

TEST_CASE("the outcome's match score counts the steps between prediction and outcome") {
  std::vector<std::string> const outcomes{"STRONG_MATCH", "EXPLORATORY", "FUTURE_POTENTIAL", "NO_MATCH"};
  std::vector<std::string> const by_steps{"1.00", "0.67", "0.33", "0.00"};
  for (std::size_t predicted = 0; predicted < 4; ++predicted)
    for (std::size_t actual = 0; actual < 4; ++actual)
      CHECK(outcome_match_score(outcomes[predicted], outcomes[actual]).text() ==
            by_steps[predicted > actual ? predicted - actual : actual - predicted]);
}

TEST_CASE("fewer than four turns or repetition: at most FUTURE_POTENTIAL") {
  auto const three = spoken({"aaaa", "bbbb", "cccc"});
  CHECK(actual_outcome(judged("STRONG_MATCH"), three, "agreed_end") == "FUTURE_POTENTIAL");
  CHECK(actual_outcome(judged("EXPLORATORY"), four, "repetition") == "FUTURE_POTENTIAL");
  CHECK(actual_outcome(judged("FUTURE_POTENTIAL"), three, "agreed_end") == "FUTURE_POTENTIAL");
  CHECK(actual_outcome(judged("NO_MATCH"), three, "repetition") == "NO_MATCH");
  CHECK(actual_outcome(judged("STRONG_MATCH"), four, "agreed_end") == "STRONG_MATCH");
  CHECK(actual_outcome(judged("STRONG_MATCH"), four, "deadline") == "STRONG_MATCH");
}

TEST_CASE("a follow-up is recommended from the stored readiness on, or for a strong match") {
  auto const readiness = StoredScore::of_hundredths(60);
  CHECK(recommends_follow_up(readiness, "EXPLORATORY", 0.6));
  CHECK_FALSE(recommends_follow_up(StoredScore::of_hundredths(59), "EXPLORATORY", 0.6));
  CHECK_FALSE(recommends_follow_up(readiness, "EXPLORATORY", 0.61));
  CHECK(recommends_follow_up(StoredScore{}, "STRONG_MATCH", 0.6));
}

TEST_CASE("the deviation is a plain sentence") {
  CHECK(describe_deviation("EXPLORATORY", "EXPLORATORY", "EXPLORATORY") ==
        "EXPLORATORY was predicted, and that is the outcome.");
  CHECK(describe_deviation("STRONG_MATCH", "NO_MATCH", "NO_MATCH") ==
        "STRONG_MATCH was predicted, the outcome is NO_MATCH: 3 steps weaker than predicted.");
  CHECK(describe_deviation("NO_MATCH", "STRONG_MATCH", "FUTURE_POTENTIAL") ==
        "NO_MATCH was predicted, the outcome is FUTURE_POTENTIAL: 1 step stronger than predicted. It was judged as "
        "STRONG_MATCH, which so short or repetitive a conversation cannot show.");
}

TEST_CASE("a key moment can only be one of the conversation's turns") {
  auto const form = judgement_form(4);
  CHECK(form.name() == OutcomeJudgement::form);
  CHECK(form.schema().find(R"("maximum": 4 )") != std::string::npos);
  CHECK(judgement_form(0).schema().find(R"("maximum": 1 )") != std::string::npos);
}

TEST_CASE("the judgement's struct has the form's members") {
  CHECK(assistant::test::difference_from_form<OutcomeJudgement>() == "");
}
