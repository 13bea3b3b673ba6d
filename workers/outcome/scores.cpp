#include "workers/outcome/scores.hpp"

#include "text/likeness.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>

namespace omnibus::outcome {
namespace {

constexpr std::size_t few_turns = 4;

/// Code points of UTF-8.
std::int64_t characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

Ratio mean_alignment(std::vector<SpokenTurn> const& turns) {
  std::int64_t sum = 0;
  std::int64_t count = 0;
  for (auto const& turn : turns) {
    if (!turn.alignment) continue;
    sum += turn.alignment->hundredths();
    ++count;
  }
  return count == 0 ? Ratio{0} : Ratio{sum, 100 * count};
}

Ratio balance(std::vector<SpokenTurn> const& turns) {
  std::int64_t of_a = 0;
  std::int64_t of_b = 0;
  for (auto const& turn : turns) (turn.speaker == "agent_a" ? of_a : of_b) += characters(turn.message);
  return of_a + of_b == 0 ? Ratio{0} : 1 - Ratio{std::abs(of_a - of_b), of_a + of_b};
}

Ratio novelty(std::vector<SpokenTurn> const& turns) {
  std::vector<std::string> messages;
  messages.reserve(turns.size());
  for (auto const& turn : turns) messages.push_back(turn.message);
  auto const repeats = find_repeats(messages);
  auto const repeated = std::count(repeats.begin(), repeats.end(), true);
  return 1 - Ratio{repeated, static_cast<std::int64_t>(turns.size())};
}

Ratio ending(std::string_view stop_reason) {
  if (stop_reason == "agreed_end") return 1;
  if (stop_reason == "max_turns") return {7, 10};
  if (stop_reason == "max_tokens" || stop_reason == "max_cost" || stop_reason == "deadline") return {4, 10};
  return 0;
}

std::int64_t halves(std::string_view judged) {
  if (judged == "yes") return 2;
  return judged == "partly" ? 1 : 0;
}

}  // namespace

StoredScore quality_score(std::vector<SpokenTurn> const& turns, std::string_view stop_reason) {
  if (turns.empty()) return {};
  return StoredScore{(2 * mean_alignment(turns) + balance(turns) + novelty(turns) + ending(stop_reason)) / 5};
}

StoredScore readiness_score(OutcomeJudgement const& judgement) {
  auto const sum = halves(judgement.interest_of_both) + halves(judgement.concrete_step) + halves(judgement.time_named) +
                   halves(judgement.both_offer) + halves(judgement.nothing_in_the_way);
  return StoredScore{Ratio{sum, 10}};
}

int strength(std::string_view outcome) {
  static constexpr std::array<std::string_view, 4> weakest_first{"NO_MATCH", "FUTURE_POTENTIAL", "EXPLORATORY",
                                                                 "STRONG_MATCH"};
  auto const* const found = std::find(weakest_first.begin(), weakest_first.end(), outcome);
  return found == weakest_first.end() ? 0 : static_cast<int>(found - weakest_first.begin());
}

StoredScore outcome_match_score(std::string_view predicted, std::string_view actual) {
  return StoredScore{1 - Ratio{std::abs(strength(predicted) - strength(actual)), 3}};
}

bool shows_little(std::vector<SpokenTurn> const& turns, std::string_view stop_reason) {
  return turns.size() < few_turns || stop_reason == "repetition";
}

std::string_view actual_outcome(OutcomeJudgement const& judgement, std::vector<SpokenTurn> const& turns,
                                std::string_view stop_reason) {
  static constexpr std::string_view most = "FUTURE_POTENTIAL";
  if (shows_little(turns, stop_reason) && strength(judgement.outcome) > strength(most)) return most;
  return judgement.outcome;
}

bool recommends_follow_up(StoredScore const& readiness, std::string_view actual, double least) {
  return readiness.value() >= least || actual == "STRONG_MATCH";
}

}  // namespace omnibus::outcome
