#include "events/match.hpp"

#include "text/rules.hpp"

namespace omnibus {

std::optional<InvalidField> validate(MatchInsight const& insight) {
  if (auto invalid = rules::one_of("insight_type", insight.insight_type,
                                   {"opportunity", "synergy", "risk", "hidden_asset", "network_effect", "next_step"}))
    return invalid;
  if (auto invalid = rules::length("title", insight.title, 200)) return invalid;
  if (auto invalid = rules::length("description", insight.description, 4000)) return invalid;
  if (auto invalid = rules::fraction("relevance_score", insight.relevance_score)) return invalid;
  if (insight.score)
    if (auto invalid = rules::fraction("score", *insight.score)) return invalid;
  return std::nullopt;
}

std::optional<InvalidField> validate(MatchBatchRequested const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  if (event.batch_size)
    if (auto invalid = rules::between("batch_size", *event.batch_size, 1, 5000)) return invalid;
  return std::nullopt;
}

std::optional<InvalidField> validate(MatchPairRequested const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  return std::nullopt;
}

std::optional<InvalidField> validate(MatchManualRequested const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  return std::nullopt;
}

std::optional<InvalidField> validate(MatchInsightsOverrideRequested const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  if (event.insights.size() > 50) return InvalidField{"insights", "must have at most 50 elements"};
  for (auto const& each : event.insights)
    if (auto invalid = validate(each)) return InvalidField{"insights." + invalid->field, invalid->reason};
  return std::nullopt;
}

std::optional<InvalidField> validate(MatchMidnightRequested const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  if (event.at)
    if (auto invalid = rules::time("at", *event.at)) return invalid;
  return std::nullopt;
}

std::optional<InvalidField> validate(MatchAnalyzed const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  if (auto invalid = rules::fraction("opportunity_score", event.opportunity_score)) return invalid;
  if (auto invalid = rules::one_of("predicted_outcome", event.predicted_outcome,
                                   {"STRONG_MATCH", "EXPLORATORY", "FUTURE_POTENTIAL", "NO_MATCH"}))
    return invalid;
  if (auto invalid = rules::between("insights", event.insights, 0, 50)) return invalid;
  return std::nullopt;
}

std::optional<InvalidField> validate(MatchScheduled const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  if (auto invalid = rules::time("scheduled_for", event.scheduled_for)) return invalid;
  return std::nullopt;
}

std::optional<InvalidField> validate(MatchActivated const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  return std::nullopt;
}

std::optional<InvalidField> validate(MatchCompleted const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  return std::nullopt;
}

std::optional<InvalidField> validate(MatchCancelled const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  if (auto invalid = rules::word("reason", event.reason)) return invalid;
  return std::nullopt;
}

std::optional<InvalidField> validate(MatchInsightsOverridden const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  if (event.before.size() > 50) return InvalidField{"before", "must have at most 50 elements"};
  for (auto const& each : event.before)
    if (auto invalid = validate(each)) return InvalidField{"before." + invalid->field, invalid->reason};
  if (event.after.size() > 50) return InvalidField{"after", "must have at most 50 elements"};
  for (auto const& each : event.after)
    if (auto invalid = validate(each)) return InvalidField{"after." + invalid->field, invalid->reason};
  return std::nullopt;
}

std::optional<InvalidField> validate(MatchAnalysisFailed const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  if (auto invalid = rules::word("reason", event.reason)) return invalid;
  return std::nullopt;
}

}  // namespace omnibus
