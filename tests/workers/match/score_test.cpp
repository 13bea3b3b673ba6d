#include "workers/match/score.hpp"

#include "workers/match/prediction.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::match;

namespace {

OpportunityParts equal_parts(double part, double risk = 0) {
  return {part, part, part, part, risk};
}

std::string outcome_of(double strong, double exploratory, double future, double none) {
  return std::string{Prediction{{strong, exploratory, future, none}}.outcome()};
}

}  // namespace

TEST_CASE("an opportunity score is the weighted mean, less half of the risk") {
  CHECK(opportunity_hundredths({}) == 0);
  CHECK(opportunity_hundredths(equal_parts(1)) == 100);
  CHECK(opportunity_hundredths(equal_parts(1, 1)) == 50);
  CHECK(opportunity_hundredths({1, 0, 0, 0, 0}) == 35);
  CHECK(opportunity_hundredths({0, 1, 0, 0, 0}) == 20);
  CHECK(opportunity_hundredths({0, 0, 1, 0, 0}) == 25);
  CHECK(opportunity_hundredths({0, 0, 0, 1, 0}) == 20);
  CHECK(opportunity_hundredths({0.8, 0.6, 0.9, 0.7, 0.2}) == 69);  // 0.765 x 0.9 = 0.6885
}

TEST_CASE("half a hundredth is rounded up, in decimals") {
  CHECK(opportunity_hundredths(equal_parts(0.285)) == 29);
  CHECK(opportunity_hundredths(equal_parts(0.695)) == 70);
  CHECK(opportunity_hundredths(equal_parts(0.6949)) == 69);
  CHECK(opportunity_hundredths(equal_parts(0.284999999999999)) == 28);
  CHECK(opportunity_hundredths(equal_parts(-0.0)) == 0);
  for (int thousandths = 5; thousandths < 1000; thousandths += 10)
    CHECK(opportunity_hundredths(equal_parts(thousandths / 1000.0)) == thousandths / 10 + 1);
  CHECK(opportunity_hundredths(equal_parts(0.3, 0.1)) == 29);  // 0.3 x 0.95 = 0.285
}

TEST_CASE("the stored score is compared with the threshold, in decimals") {
  CHECK(reaches(70, 0.7));
  CHECK_FALSE(reaches(69, 0.7));
  CHECK(reaches(29, 0.29));
  CHECK(reaches(0, 0));
  CHECK_FALSE(reaches(70, 0.701));
}

TEST_CASE("the parts are stored with their weights and the model") {
  CHECK(score_parts_json({0.8, 0.6, 0.9, 0.7, 0.2}, "small \"1\"") ==
        R"({"fit":0.8,"focus":0.6,"value":0.9,"feasibility":0.7,"risk":0.2,)"
        R"("weights":{"fit":0.35,"focus":0.2,"value":0.25,"feasibility":0.2,"risk":0.5},"model":"small \"1\""})");
}

TEST_CASE("stated probabilities must have a sum of 0.9 to 1.1") {
  CHECK_FALSE(validate(StatedProbabilities{0.25, 0.25, 0.25, 0.25}));
  CHECK_FALSE(validate(StatedProbabilities{0.3, 0.3, 0.2, 0.1}));  // 0.9, which doubles miss
  CHECK_FALSE(validate(StatedProbabilities{0.3, 0.3, 0.3, 0.2}));  // 1.1
  CHECK(validate(StatedProbabilities{0.3, 0.3, 0.2, 0.0999999}));
  CHECK(validate(StatedProbabilities{0.3, 0.3, 0.3, 0.2000001}));
  CHECK(validate(StatedProbabilities{}));
}

TEST_CASE("probabilities are stored with a sum of exactly 1") {
  CHECK(Prediction{{0.25, 0.25, 0.25, 0.25}}.json() ==
        R"({"STRONG_MATCH":0.250000,"EXPLORATORY":0.250000,"FUTURE_POTENTIAL":0.250000,"NO_MATCH":0.250000})");
  CHECK(Prediction{{0.5, 0.5, 0.1, 0}}.json() ==
        R"({"STRONG_MATCH":0.454545,"EXPLORATORY":0.454546,"FUTURE_POTENTIAL":0.090909,"NO_MATCH":0.000000})");
  CHECK(Prediction{{1, 0, 0, 0}}.json() ==
        R"({"STRONG_MATCH":1.000000,"EXPLORATORY":0.000000,"FUTURE_POTENTIAL":0.000000,"NO_MATCH":0.000000})");
}

TEST_CASE("the most probable outcome is predicted, of equal ones the weaker") {
  CHECK(outcome_of(0.7, 0.1, 0.1, 0.1) == "STRONG_MATCH");
  CHECK(outcome_of(0.1, 0.7, 0.1, 0.1) == "EXPLORATORY");
  CHECK(outcome_of(0.5, 0.5, 0, 0) == "EXPLORATORY");
  CHECK(outcome_of(0.5, 0.5, 0.1, 0) == "EXPLORATORY");
  CHECK(outcome_of(0.4, 0.4, 0.15, 0) == "EXPLORATORY");  // rounded, the four are more than 1
  CHECK(outcome_of(0.25, 0.25, 0.25, 0.25) == "NO_MATCH");
  CHECK(outcome_of(0.35, 0.1, 0.35, 0.2) == "FUTURE_POTENTIAL");
}
