// omniscient_match_calibration against a computation of our own, and its edges.
#include "json/decode.hpp"
#include "tests/workers/outcome/match_tables.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <random>

#include <boost/describe/class.hpp>
#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::outcome::test;

namespace {

using Maybe = std::optional<double>;

struct MeasuredClass {
  std::string outcome;
  std::int64_t predicted = 0, actual = 0;
  Maybe precision, recall;
  double f1 = 0;
};
BOOST_DESCRIBE_STRUCT(MeasuredClass, (), (outcome, predicted, actual, precision, recall, f1))

struct MeasuredDecile {
  double from = 0, to = 0;
  std::int64_t n = 0;
  Maybe mean_p, rate;
};
BOOST_DESCRIBE_STRUCT(MeasuredDecile, (), (from, to, n, mean_p, rate))

struct Calibration {
  std::int64_t n = 0;
  Maybe brier, reference_brier, skill, accuracy, macro_f1, ece;
  std::vector<std::string> labels;
  std::vector<std::vector<std::int64_t>> confusion;
  std::vector<MeasuredClass> classes;
  std::vector<MeasuredDecile> reliability;
};
BOOST_DESCRIBE_STRUCT(Calibration, (),
                      (n, brier, reference_brier, skill, accuracy, macro_f1, ece, labels, confusion, classes,
                       reliability))

Calibration measured(MatchDatabase const& database, std::string const& arguments = "'shop.example', NULL, NULL") {
  auto const text = database.value("SELECT jsonb_strip_nulls(omniscient_match_calibration(" + arguments + "))::text");
  auto read = json::decode<Calibration>(text);
  REQUIRE_MESSAGE(read.has_value(), text);
  return *read;
}

/// The same from the formulas, in binary fractions.
Calibration computed(std::vector<JudgedMatch> const& matches) {
  Calibration result;
  auto const n = static_cast<double>(matches.size());
  result.n = static_cast<std::int64_t>(matches.size());
  result.confusion.assign(4, std::vector<std::int64_t>(4));
  struct Decile {
    double n = 0, p = 0, positive = 0;
  };
  std::vector<Decile> deciles(10);
  double brier = 0;
  for (auto const& match : matches) {
    ++result.confusion[match.predicted][match.actual];
    double squares = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      auto const error = std::stod(match.p[k]) - (k == match.actual ? 1 : 0);
      squares += error * error;
    }
    brier += squares / 2;
    auto const millionths = std::llround((std::stod(match.p[0]) + std::stod(match.p[1])) * 1e6);
    auto& decile = deciles[static_cast<std::size_t>(std::min<long long>(millionths / 100'000, 9))];
    decile.n += 1;
    decile.p += static_cast<double>(millionths) / 1e6;
    decile.positive += match.actual <= 1 ? 1 : 0;
  }
  result.brier = brier / n;
  double base = 0, hits = 0, f1 = 0, seen = 0;
  for (std::size_t k = 0; k < 4; ++k) {
    double predicted = 0, actual = 0;
    for (std::size_t other = 0; other < 4; ++other) {
      predicted += static_cast<double>(result.confusion[k][other]);
      actual += static_cast<double>(result.confusion[other][k]);
    }
    auto const hit = static_cast<double>(result.confusion[k][k]);
    hits += hit;
    base += actual / n * (actual / n);
    MeasuredClass measure{std::string{labels.at(k)}, std::llround(predicted), std::llround(actual), {}, {}, 0};
    if (predicted > 0) measure.precision = hit / predicted;
    if (actual > 0) measure.recall = hit / actual;
    if (hit > 0) measure.f1 = 2 * *measure.precision * *measure.recall / (*measure.precision + *measure.recall);
    if (predicted + actual > 0) f1 += measure.f1, seen += 1;
    result.classes.push_back(measure);
  }
  result.reference_brier = (1 - base) / 2;
  if (*result.reference_brier > 0) result.skill = 1 - *result.brier / *result.reference_brier;
  result.accuracy = hits / n;
  result.macro_f1 = f1 / seen;
  result.ece = 0;
  for (auto const& decile : deciles) {
    MeasuredDecile measure;
    measure.n = std::llround(decile.n);
    if (decile.n > 0) {
      measure.mean_p = decile.p / decile.n;
      measure.rate = decile.positive / decile.n;
      *result.ece += decile.n / n * std::abs(*measure.mean_p - *measure.rate);
    }
    result.reliability.push_back(measure);
  }
  return result;
}

void check_near(Maybe const& one, Maybe const& other) {
  CHECK(one.has_value() == other.has_value());
  if (one && other) CHECK(std::abs(*one - *other) < 2e-6);
}

void check_equal(Calibration const& one, Calibration const& other) {
  CHECK(one.n == other.n);
  check_near(one.brier, other.brier);
  check_near(one.reference_brier, other.reference_brier);
  check_near(one.skill, other.skill);
  check_near(one.accuracy, other.accuracy);
  check_near(one.macro_f1, other.macro_f1);
  check_near(one.ece, other.ece);
  CHECK(one.confusion == other.confusion);
  REQUIRE(one.classes.size() == 4);
  REQUIRE(one.reliability.size() == 10);
  for (std::size_t k = 0; k < 4; ++k) {
    CHECK(one.classes[k].outcome == other.classes[k].outcome);
    CHECK(one.classes[k].predicted == other.classes[k].predicted);
    CHECK(one.classes[k].actual == other.classes[k].actual);
    check_near(one.classes[k].precision, other.classes[k].precision);
    check_near(one.classes[k].recall, other.classes[k].recall);
    check_near(one.classes[k].f1, other.classes[k].f1);
  }
  for (std::size_t k = 0; k < 10; ++k) {
    CHECK(one.reliability[k].n == other.reliability[k].n);
    CHECK(one.reliability[k].from == doctest::Approx(static_cast<double>(k) / 10));
    check_near(one.reliability[k].mean_p, other.reliability[k].mean_p);
    check_near(one.reliability[k].rate, other.reliability[k].rate);
  }
}

/// Four probabilities with six places that sum to 1.
JudgedMatch some_match(std::mt19937& random) {
  std::vector<int> cuts{0, 1'000'000};
  for (int i = 0; i < 3; ++i) cuts.push_back(std::uniform_int_distribution{0, 20}(random)*50'000);
  std::sort(cuts.begin(), cuts.end());
  JudgedMatch match;
  int largest = -1;
  for (std::size_t k = 0; k < 4; ++k) {
    auto const part = cuts[k + 1] - cuts[k];
    match.p[k] = fmt::format("{}.{:06}", part / 1'000'000, part % 1'000'000);
    if (part >= largest) largest = part, match.predicted = k;
  }
  match.actual = std::uniform_int_distribution<std::size_t>{0, 3}(random);
  return match;
}

}  // namespace

TEST_CASE("calibration equals what the formulas give, over random predictions") {
  std::mt19937 random{11};
  for (auto const size : {1, 2, 7, 60, 400}) {
    MatchDatabase database;
    std::vector<JudgedMatch> matches;
    for (int i = 0; i < size; ++i) matches.push_back(some_match(random));
    database.add_judged(matches);
    check_equal(measured(database), computed(matches));
  }
}

TEST_CASE("without outcomes every ratio is null, and ten deciles are listed") {
  MatchDatabase database;
  auto const none = measured(database);
  CHECK(none.n == 0);
  for (auto const& ratio : {none.brier, none.reference_brier, none.skill, none.accuracy, none.macro_f1, none.ece})
    CHECK_FALSE(ratio);
  CHECK(none.reliability.size() == 10);
  CHECK(none.reliability[3].n == 0);
  CHECK_FALSE(none.reliability[3].mean_p);
  CHECK(none.labels == std::vector<std::string>{labels.begin(), labels.end()});
  CHECK(none.confusion == std::vector<std::vector<std::int64_t>>(4, std::vector<std::int64_t>(4)));
}

TEST_CASE("a decile begins at its edge in decimals, and the last one holds 1") {
  MatchDatabase database;
  database.add_judged({{{"1", "0", "0", "0"}, 0, 0},
                       {{"0.1", "0.7", "0.1", "0.1"}, 1, 1},
                       {{"0.3", "0", "0.4", "0.3"}, 2, 2},
                       {{"0.2999996", "0", "0.4", "0.3000004"}, 2, 2},
                       {{"0.2999994", "0", "0.4", "0.3000006"}, 2, 2},
                       {{"0", "0", "0.5", "0.5"}, 3, 3}});
  auto const deciles = measured(database).reliability;
  std::vector<std::int64_t> counts;
  for (auto const& decile : deciles) counts.push_back(decile.n);
  CHECK(counts == std::vector<std::int64_t>{1, 0, 1, 2, 0, 0, 0, 0, 1, 1});
}

TEST_CASE("three outcomes that are all EXPLORATORY: no skill, and no number that is none") {
  MatchDatabase database;
  database.add_judged({{{"0.25", "0.45", "0.2", "0.1"}, 1, 1},
                       {{"0.25", "0.45", "0.2", "0.1"}, 1, 1},
                       {{"0.1", "0.2", "0.6", "0.1"}, 2, 1}});
  auto const all = measured(database);
  CHECK(all.reference_brier == 0);
  CHECK_FALSE(all.skill);
  CHECK(all.classes[1].precision == 1);
  check_near(all.classes[1].recall, 0.666667);
  CHECK(all.classes[2].precision == 0);
  CHECK_FALSE(all.classes[2].recall);  // predicted, never seen
  CHECK(all.classes[2].f1 == 0);
  CHECK_FALSE(all.classes[0].precision);  // neither predicted nor seen
  CHECK(all.classes[0].f1 == 0);
  check_near(all.macro_f1, 0.4);  // of the two classes that were predicted or seen
  auto const text = database.value("SELECT omniscient_match_calibration('shop.example', NULL, NULL)::text");
  CHECK(text.find("NaN") == std::string::npos);
  CHECK(text.find("Infinity") == std::string::npos);
  CHECK(text.find(R"("skill": null)") != std::string::npos);
}

TEST_CASE("a range begins at its first instant and ends before its last") {
  MatchDatabase database;
  JudgedMatch match{{"0.25", "0.45", "0.2", "0.1"}, 1, 1};
  for (auto const* const at : {"2026-11-19T23:59:59Z", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"}) {
    match.scored_at = at;
    database.add_judged({match});
  }
  CHECK(measured(database).n == 3);
  CHECK(measured(database, "'shop.example', '2026-11-20Z', '2026-11-21Z'").n == 1);
  CHECK(measured(database, "'shop.example', NULL, '2026-11-20Z'").n == 1);
  CHECK(measured(database, "'shop.example', '2026-11-20Z', NULL").n == 2);
  CHECK(measured(database, "'other.example', NULL, NULL").n == 0);
}

TEST_CASE("calibration shows what its caller may see") {
  MatchDatabase database;
  JudgedMatch const match{{"0.25", "0.45", "0.2", "0.1"}, 1, 1};
  database.add_judged({match, match});
  database.add_judged({match}, "other.example");
  auto const* const query = "SELECT omniscient_match_calibration(NULL, NULL, NULL) ->> 'n'";
  CHECK(database.value_as("readonly", query) == "3");
  CHECK(database.value_for("shop.example", "operator", random_uuid(), query) == "2");
  CHECK(database.value_for("other.example", "operator", random_uuid(), query) == "1");
  CHECK(database.value_for("shop.example", "operator", random_uuid(),
                           "SELECT omniscient_match_calibration('other.example', NULL, NULL) ->> 'n'") == "0");
  CHECK(database.value_for("shop.example", "visitor", random_uuid(), query) == "0");
  CHECK(database.value_as("gateway", query) == "0");
  auto const person =
      parse_uuid(database.value("SELECT auth_user_id FROM users WHERE domain = 'shop.example' LIMIT 1"));
  CHECK(database.value_for("shop.example", "visitor", *person, query) == "2");
}

TEST_CASE("what calibration needs of an outcome follows the conversation, and is missing without a prediction") {
  MatchDatabase database;
  database.add_judged({{{"0.25", "0.45", "0.2", "0.1"}, 1, 1}});
  auto const* const copied = "SELECT actual_outcome || ' ' || prediction_error FROM omniscient_outcomes";
  CHECK(database.value(copied) == "EXPLORATORY 0.2075");
  database.execute("UPDATE omniscient_conversations SET actual_outcome = 'NO_MATCH'");
  CHECK(database.value(copied) == "NO_MATCH 0.5575");
  database.execute("UPDATE omniscient_matches SET predicted_probabilities = predicted_probabilities - 'NO_MATCH'");
  database.execute("UPDATE omniscient_conversations SET actual_outcome = 'EXPLORATORY'");
  CHECK(measured(database).n == 0);
}
