#include "workers/gateway/matches/confidential.hpp"

namespace omnibus::gateway {

void conceal(matches::ShownMatch& match) {
  match.cancel_reason.reset();
  match.analysis_summary.reset();  // written for the team from both stories and the risks, as the reasoning
  match.match_reasoning.reset();
  match.score_parts.reset();
  match.predicted_probabilities.reset();
}

void conceal(matches::ShownAgentConversation& conversation) {
  if (conversation.status != "failed") return;
  conversation.stop_reason.reset();
  conversation.error.reset();
}

matches::MatchDetail shown_to(Caller const& caller, matches::MatchDetail detail) {
  if (!caller.is_staff()) conceal(detail.match);
  if (caller.principal.role != Role::admin) detail.overrides.reset();
  return detail;
}

}  // namespace omnibus::gateway
