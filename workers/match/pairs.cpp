/// The analysis of a pair.
#include "matches/stored_score.hpp"
#include "observability/metrics.hpp"
#include "workers/match/handler.hpp"
#include "workers/match/tenant.hpp"

#include <fmt/format.h>

namespace omnibus::match {
namespace {

AnalysedMatch analysed(Context& context, assistant::Structured<PairAnalysis> const& asked) {
  auto const& analysis = asked.value();
  Prediction const prediction{analysis.probabilities};
  AnalysedMatch match{matches::StoredScore::of_hundredths(opportunity_hundredths(analysis)).text(),
                      score_parts_json(analysis, asked.model),
                      prediction.json(),
                      std::string{prediction.outcome()},
                      analysis.summary,
                      analysis.reasoning,
                      insights_of(analysis)};
  for (std::size_t i = 0; i < match.insights.size(); ++i)
    match.insights[i].insight_id = name_uuid(context.event_key(), "insight-" + std::to_string(i));
  return match;
}

/// Whether the pair was never analysed, since its request may not be granted. The view omniscient_alert_conditions has
/// the same classes.
bool is_refusal(Failure const& failure) {
  for (auto const refused : {"same_person", "not_eligible", "unknown_user", "unknown_tenant", "inactive_tenant"})
    if (failure.error_class() == refused) return true;
  return false;
}

}  // namespace

processing::LoggedCost spent_of(assistant::Asked const& asked) {
  return {asked.spent.prompt_tokens + asked.spent.completion_tokens, asked.spent.cost_usd()};
}

MatchHandler::PairRequest MatchHandler::request_of(MatchPairRequested const& request) {
  return {request.domain, pair_of(request.user_a_id, request.user_b_id), false, request.batch_id, {}};
}

MatchHandler::PairRequest MatchHandler::request_of(MatchManualRequested const& request) {
  return {request.domain, pair_of(request.user_a_id, request.user_b_id), true, {}, request.requested_by};
}

processing::LoggedWork MatchHandler::pair_work(PairRequest const& request) {
  return {request.domain, request.manual ? "manual_match" : "analyze_pair", "match", {}, request.actor};
}

Task<> MatchHandler::handle(Context& context, MatchPairRequested const& request) {
  auto analyzing = analyze(context, request_of(request));
  co_await std::move(analyzing);
}

Task<> MatchHandler::handle(Context& context, MatchManualRequested const& request) {
  auto analyzing = analyze(context, request_of(request));
  co_await std::move(analyzing);
}

Task<> MatchHandler::analyze(Context& context, PairRequest request) {
  if (request.pair.a == request.pair.b) throw Failure::permanent("user_b_id is user_a_id", "same_person");
  if (context.replaying()) {
    auto restoring = restore(context, request);
    co_return co_await std::move(restoring);
  }
  auto reading = matches_->read(context, request.domain, request.pair);
  auto state = co_await std::move(reading);
  check_tenant(state.tenant_status);
  auto const found_by_batch = request.batch.has_value();
  // A batch cannot know what changes before its pairs are handled.
  if (found_by_batch && !state.may_meet) {
    auto withdrawing = withdraw(context, request);
    co_return co_await std::move(withdrawing);
  }
  if (!state.both_known) throw Failure::permanent("a user is no person of this tenant", "unknown_user");
  if (!state.may_meet)
    throw Failure::permanent("the two are not approved, lack a story or consent, or one blocks the other",
                             "not_eligible");
  if (state.live && state.live->status != "pending_analysis" && state.live->status != "analyzed") {
    auto work = pair_work(request);
    work.target = state.live->id;
    auto leaving = leave(context, std::move(work));
    co_return co_await std::move(leaving);
  }
  auto starting = matches_->log_start(context, pair_work(request));
  co_await std::move(starting);
  auto match = state.live;
  if (!match) {
    // An event that is redriven after its match was cancelled opens another one.
    auto opening = matches_->open_now(context, request.batch, request.domain, request.pair, state.ended);
    match = co_await std::move(opening);
  }
  if (!match) {
    auto leaving = leave(context, pair_work(request));
    co_return co_await std::move(leaving);
  }
  auto asking = ask(context, request, question_about(std::move(state)), match->id);
  auto const asked = co_await std::move(asking);
  auto storing = store(context, request, *match, asked);
  co_await std::move(storing);
}

Task<> MatchHandler::leave(Context& context, processing::LoggedWork work) {
  auto committing = context.commit([&](UnitOfWork& unit) { matches_->log_end(unit, context, work); });
  co_await std::move(committing);
}

Task<> MatchHandler::withdraw(Context& context, PairRequest const& request) {
  auto committing = context.commit([&](UnitOfWork& unit) {
    auto work = pair_work(request);
    if (auto const match = matches_->give_up(unit, request.domain, request.pair, "withdrawn")) {
      work.target = match->id;
      if (match->status == "cancelled")
        unit.publish(MatchCancelled{request.domain, match->id, "withdrawn"}, to_string(match->id));
    }
    matches_->log_end(unit, context, work);
  });
  co_await std::move(committing);
}

// Takes the pair's state: many pairs wait for the model at once, and hold only what they still need.
assistant::StructuredQuestion MatchHandler::question_about(PairState state) const {
  assistant::StructuredQuestion question;
  question.prompt = analysis_prompt(state.story_a, state.story_b);
  question.max_tokens = settings_.match_answer_tokens;
  question.looked_up = std::move(state.answer);
  question.records_later = true;
  return question;
}

Task<assistant::Structured<PairAnalysis>> MatchHandler::ask(Context& context, PairRequest const& request,
                                                            assistant::StructuredQuestion question, Uuid match) {
  assistant::Turn turn{request.domain, match, std::string{analysis_step}};
  auto asking = model_->ask_for<PairAnalysis>(context, std::move(turn), std::move(question));
  co_return co_await std::move(asking);
}

Task<> MatchHandler::store(Context& context, PairRequest const& request, OpenMatch const& match,
                           assistant::Structured<PairAnalysis> const& asked) {
  auto const analysis = analysed(context, asked);
  auto const hundredths = opportunity_hundredths(asked.value());
  auto const score = hundredths / 100.0;
  auto work = pair_work(request);
  work.target = match.id;
  // Compared as it is stored.
  auto const schedules = request.manual || reaches(hundredths, settings_.match_schedule_threshold);
  StoredAnalysis became;
  auto const publish = [&](UnitOfWork& unit) {
    auto const key = to_string(match.id);
    if (became.stored == Stored::withdrawn) unit.publish(MatchCancelled{request.domain, match.id, "withdrawn"}, key);
    if (became.stored != Stored::stored) return;
    unit.publish(
        MatchAnalyzed{request.domain, match.id, request.pair.a, request.pair.b, score, analysis.predicted_outcome,
                      static_cast<std::int64_t>(analysis.insights.size()), request.batch},
        key);
    if (became.schedule) unit.publish(MatchScheduled{request.domain, match.id, became.schedule->scheduled_for}, key);
  };
  auto const batch = request.batch ? fmt::format(R"({{"batch_id":"{}"}})", to_string(*request.batch)) : "{}";
  auto committing = model_->commit_with_answer(context, asked.unrecorded, [&](UnitOfWork& unit) {
    if (asked.unrecorded) model_->record_answer(unit, context.event_key(), *asked.unrecorded);
    matches_->store(unit, match.id, analysis, schedules, [&](StoredAnalysis stored) {
      became = std::move(stored);
      publish(unit);
    });
    matches_->log_end(unit, context, work, spent_of(asked), batch);
  });
  auto const committed = co_await std::move(committing);
  if (!committed) co_return;
  processing::observe_duration(context, work.action);
  if (became.schedule && became.schedule->zone_vanished)
    log::warn(context.log_fields(), "a person's time zone is unknown to PostgreSQL and counts as UTC",
              {{"match", to_string(match.id)}});
  if (became.stored != Stored::stored) co_return;
  Metrics::process().counter<Metric::matches_analyzed>(analysis.predicted_outcome).add();
  Metrics::process().histogram<Metric::match_opportunity_score>().observe(score);
}

Task<> MatchHandler::restore(Context& context, PairRequest const& request) {
  auto reading = matches_->read(context, request.domain, request.pair);
  auto state = co_await std::move(reading);
  if (state.live || state.ended > 0) co_return context.pass_over("its pair has a match");
  if (!state.both_known || !state.may_meet) co_return context.pass_over("its people may not meet");
  auto asking = ask(context, request, question_about(std::move(state)), Uuid{});
  auto const asked = co_await std::move(asking);
  if (asked.fate != assistant::AnswerFate::answered) co_return context.pass_over("no recorded answer");
  auto const analysis = analysed(context, asked);
  auto committing = context.commit([&](UnitOfWork& unit) {
    if (auto const match = matches_->open(unit, context.event_key(), request.batch, request.domain, request.pair))
      matches_->store(unit, match->id, analysis, false, [](StoredAnalysis const&) {});
  });
  co_await std::move(committing);
}

void MatchHandler::give_up(Context& context, PairRequest const& request, Failure const& failure, UnitOfWork& unit) {
  auto work = pair_work(request);
  // A refused manual request says nothing of a match that others asked for.
  if (request.manual && is_refusal(failure)) return matches_->log_failure(unit, context, work, failure);
  auto const match = matches_->give_up(unit, request.domain, request.pair, "analysis_failed");
  if (match) {
    work.target = match->id;
    auto const key = to_string(match->id);
    if (match->status == "cancelled") unit.publish(MatchCancelled{request.domain, match->id, "analysis_failed"}, key);
    unit.publish(MatchAnalysisFailed{request.domain, match->id, request.pair.a, request.pair.b, failure.error_class()},
                 key);
  }
  model_->forget_answers(unit, context.event_key());  // so that a redriven event asks again
  matches_->log_failure(unit, context, work, failure);
  if (!is_refusal(failure)) Metrics::process().counter<Metric::match_analysis_failures>().add();
}

void MatchHandler::gave_up(Context& context, MatchPairRequested const& request, Failure const& failure,
                           UnitOfWork& unit) {
  give_up(context, request_of(request), failure, unit);
}

void MatchHandler::gave_up(Context& context, MatchManualRequested const& request, Failure const& failure,
                           UnitOfWork& unit) {
  give_up(context, request_of(request), failure, unit);
}

}  // namespace omnibus::match
