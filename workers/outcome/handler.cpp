#include "workers/outcome/handler.hpp"

#include "observability/metrics.hpp"
#include "workers/outcome/deviation.hpp"
#include "workers/outcome/prompt.hpp"
#include "workers/outcome/scores.hpp"

#include <string>

namespace omnibus::outcome {
namespace {

processing::LoggedWork work_of(AgentConversationCompleted const& completed) {
  return {completed.domain, "analyze_outcome", "conversation", completed.conversation_id, std::nullopt};
}

processing::LoggedWork work_of(OutcomeAnalysisRequested const& request) {
  return {request.domain, "analyze_outcome", "conversation", request.conversation_id, request.requested_by};
}

processing::LoggedWork work_of(OutcomeCollaborationTracked const& tracked) {
  return {tracked.domain, "track_collaboration", "outcome", tracked.outcome_id, tracked.requested_by};
}

/// @throws Failure (permanent) for a conversation that cannot be judged.
HeldConversation const& check(std::optional<HeldConversation> const& held, std::string const& domain,
                              Uuid const& match) {
  if (!held || held->domain != domain || held->match_id != match)
    throw Failure::permanent("the match has no such conversation", "unknown_conversation");
  if (!held->active_tenant) throw Failure::permanent("the tenant is not active", "inactive_tenant");
  if (held->status != "completed")
    throw Failure::permanent("only a completed conversation is judged; it is " + held->status, "illegal_transition");
  if (held->predicted_outcome.empty())
    throw Failure::permanent("the match has no predicted outcome: it was never analysed", "illegal_transition");
  return *held;
}

OutcomeScored scored_event(JudgedOutcome const& outcome, HeldConversation const& held) {
  return {outcome.domain,          outcome.match_id,       outcome.conversation_id, outcome.id,
          held.predicted_outcome,  outcome.actual_outcome, outcome.match.value(),   outcome.readiness.value(),
          outcome.quality.value(), outcome.follow_up};
}

processing::LoggedCost in_log(assistant::Spent const& spent) {
  return {spent.prompt_tokens + spent.completion_tokens, spent.cost_usd()};
}

}  // namespace

Task<> OutcomeHandler::handle(Context& context, AgentConversationCompleted const& completed) {
  auto judging = judge(context, completed.match_id, work_of(completed));
  co_await std::move(judging);
}

Task<> OutcomeHandler::handle(Context& context, OutcomeAnalysisRequested const& request) {
  auto judging = judge(context, request.match_id, work_of(request));
  co_await std::move(judging);
}

Task<> OutcomeHandler::judge(Context& context, Uuid match, processing::LoggedWork work) {
  auto const conversation = *work.target;
  auto reading = store_->read(context, conversation);
  auto const found = co_await std::move(reading);
  auto const& held = check(found, work.domain, match);
  if (held.judged) {
    if (context.replaying()) co_return context.pass_over("the conversation is judged");
    auto committing = context.commit([&](UnitOfWork& unit) { store_->log_end(unit, context, work, {}); });
    co_await std::move(committing);
    co_return;
  }

  auto starting = store_->log_start(context, work);
  co_await std::move(starting);
  auto asking = ask(context, held, conversation);
  auto const asked = co_await std::move(asking);
  if (!asked) co_return context.pass_over("no judgement is recorded");
  auto outcome = score(held, conversation, asked->value());
  if (context.replaying()) outcome.scored_ms = context.time_ms();
  auto added = false;
  auto committing = context.commit([&](UnitOfWork& unit) {
    added = store_->add(unit, outcome);
    store_->log_end(unit, context, work, in_log(asked->spent));
    if (!added) return;
    unit.publish(scored_event(outcome, held), to_string(match));
    if (outcome.follow_up)
      unit.publish(OutcomeFollowupRecommended{outcome.domain, match, conversation, outcome.id,
                                              outcome.judgement.follow_up_timeframe},
                   to_string(match));
  });
  auto const first = co_await std::move(committing);
  if (!first || context.replaying()) co_return;
  processing::observe_duration(context, work.action);
  if (added)
    Metrics::process().counter<Metric::outcome_predictions>(held.predicted_outcome, outcome.actual_outcome).add();
}

Task<std::optional<assistant::Structured<OutcomeJudgement>>> OutcomeHandler::ask(Context& context,
                                                                                 HeldConversation const& held,
                                                                                 Uuid const& conversation) {
  assistant::StructuredQuestion question;
  question.prompt = make_prompt(held.turns);
  question.max_tokens = settings_.judgement_tokens;
  auto asking = model_->ask_for<OutcomeJudgement>(context, {held.domain, conversation, "judge"}, std::move(question),
                                                  {}, judgement_form(held.turns.size()));
  auto asked = co_await std::move(asking);
  if (context.replaying() && asked.fate == assistant::AnswerFate::unanswered) co_return std::nullopt;
  co_return asked;
}

JudgedOutcome OutcomeHandler::score(HeldConversation const& held, Uuid const& conversation,
                                    OutcomeJudgement judgement) const {
  JudgedOutcome outcome;
  outcome.id = name_uuid(conversation, "outcome");  // a replay gives it the same one
  outcome.conversation_id = conversation;
  outcome.match_id = held.match_id;
  outcome.domain = held.domain;
  outcome.actual_outcome = actual_outcome(judgement, held.turns, held.stop_reason);
  outcome.deviation = describe_deviation(held.predicted_outcome, judgement.outcome, outcome.actual_outcome);
  outcome.quality = quality_score(held.turns, held.stop_reason);
  outcome.readiness = readiness_score(judgement);
  outcome.match = outcome_match_score(held.predicted_outcome, outcome.actual_outcome);
  outcome.follow_up = recommends_follow_up(outcome.readiness, outcome.actual_outcome, settings_.follow_up_min);
  outcome.judgement = std::move(judgement);
  return outcome;
}

Task<> OutcomeHandler::handle(Context& context, OutcomeCollaborationTracked const& tracked) {
  auto committing = context.commit([&](UnitOfWork& unit) {
    if (!store_->track(unit, tracked))
      throw Failure::permanent("the conversation has no such outcome", "unknown_conversation");
    store_->log_end(unit, context, work_of(tracked), {});
  });
  co_await std::move(committing);
}

void OutcomeHandler::give_up(Context& context, processing::LoggedWork const& work, Failure const& failure,
                             UnitOfWork& unit) {
  model_->forget_answers(unit, context.event_key());  // so that a redriven event asks again
  store_->note_failure(unit, work.domain, *work.target, failure.error_class());
  store_->log_failure(unit, context, work, failure);
}

void OutcomeHandler::gave_up(Context& context, AgentConversationCompleted const& completed, Failure const& failure,
                             UnitOfWork& unit) {
  give_up(context, work_of(completed), failure, unit);
}

void OutcomeHandler::gave_up(Context& context, OutcomeAnalysisRequested const& request, Failure const& failure,
                             UnitOfWork& unit) {
  give_up(context, work_of(request), failure, unit);
}

void OutcomeHandler::gave_up(Context& context, OutcomeCollaborationTracked const& tracked, Failure const& failure,
                             UnitOfWork& unit) {
  store_->log_failure(unit, context, work_of(tracked), failure);
}

}  // namespace omnibus::outcome
