/// The scores of a conversation. Pure.
#pragma once

#include "matches/stored_score.hpp"
#include "workers/outcome/judgement.hpp"
#include "workers/outcome/transcript.hpp"

#include <string_view>
#include <vector>

namespace omnibus::outcome {

/// 0.4 mean alignment + 0.2 balance + 0.2 novelty + 0.2 ending.
///   alignment  of the turns that have one; 0 without any
///   balance    1 - |characters of a - characters of b| / characters of both
///   novelty    1 - the share of turns that repeat an earlier one
///   ending     1 for agreed_end, 0.7 for max_turns, 0.4 for max_tokens, max_cost and deadline, else 0
/// 0 without turns.
StoredScore quality_score(std::vector<SpokenTurn> const& turns, std::string_view stop_reason);

/// The mean of the five judgements: no 0, partly 0.5, yes 1.
StoredScore readiness_score(OutcomeJudgement const& judgement);

/// How strong an outcome is: 3 for STRONG_MATCH, 2, 1, and 0 for NO_MATCH.
int strength(std::string_view outcome);

/// 1 - |strength(predicted) - strength(actual)| / 3.
StoredScore outcome_match_score(std::string_view predicted, std::string_view actual);

/// Whether a conversation cannot show more than FUTURE_POTENTIAL: it had fewer than four turns, or repeated itself.
bool shows_little(std::vector<SpokenTurn> const& turns, std::string_view stop_reason);

/// The judged outcome, but at most FUTURE_POTENTIAL for a conversation that shows little.
std::string_view actual_outcome(OutcomeJudgement const& judgement, std::vector<SpokenTurn> const& turns,
                                std::string_view stop_reason);

/// Whether two people should meet: their readiness is at least `least`, or the outcome is STRONG_MATCH.
bool recommends_follow_up(StoredScore const& readiness, std::string_view actual, double least);

}  // namespace omnibus::outcome
