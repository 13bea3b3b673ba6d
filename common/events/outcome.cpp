#include "events/outcome.hpp"

#include "text/rules.hpp"

namespace omnibus {

std::optional<InvalidField> validate(OutcomeAnalysisRequested const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  return std::nullopt;
}

std::optional<InvalidField> validate(OutcomeScored const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  if (auto invalid = rules::one_of("predicted_outcome", event.predicted_outcome,
                                   {"STRONG_MATCH", "EXPLORATORY", "FUTURE_POTENTIAL", "NO_MATCH"}))
    return invalid;
  if (auto invalid = rules::one_of("actual_outcome", event.actual_outcome,
                                   {"STRONG_MATCH", "EXPLORATORY", "FUTURE_POTENTIAL", "NO_MATCH"}))
    return invalid;
  if (auto invalid = rules::fraction("outcome_match_score", event.outcome_match_score)) return invalid;
  if (auto invalid = rules::fraction("collaboration_readiness_score", event.collaboration_readiness_score))
    return invalid;
  if (auto invalid = rules::fraction("quality_score", event.quality_score)) return invalid;
  return std::nullopt;
}

std::optional<InvalidField> validate(OutcomeFollowupRecommended const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  if (event.timeframe)
    if (auto invalid = rules::length("timeframe", *event.timeframe, 200)) return invalid;
  return std::nullopt;
}

std::optional<InvalidField> validate(OutcomeCollaborationTracked const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  if (event.details)
    if (auto invalid = rules::length("details", *event.details, 4000)) return invalid;
  return std::nullopt;
}

}  // namespace omnibus
