#include "workers/match/handler.hpp"

#include "assistant/answer_store.hpp"

namespace omnibus::match {
namespace {

processing::LoggedWork work_of(PersonRecorded const& person) {
  return {person.domain, "record_person", "user", person.user_id, {}};
}

processing::LoggedWork work_of(MatchInsightsOverrideRequested const& request) {
  return {request.domain, "override_insights", "match", request.match_id, request.requested_by};
}

processing::LoggedWork work_of(AgentConversationCompleted const& ended) {
  return {ended.domain, "complete_match", "match", ended.match_id, {}};
}

processing::LoggedWork work_of(AgentConversationFailed const& ended) {
  return {ended.domain, "return_match", "match", ended.match_id, {}};
}

}  // namespace

MatchHandler::MatchHandler(Resources& resources, MatchSettings const& settings)
    : MatchHandler{settings,
                   {std::make_unique<PostgresPeople>(), std::make_unique<PostgresCandidates>(),
                    std::make_unique<PostgresMatches>()},
                   std::make_unique<assistant::Model>(resources, settings)} {}

Task<> MatchHandler::check_zone(Context& context, std::string const& zone) {
  if (zones_.contains(zone)) co_return;
  auto reading = people_->read_zones(context);  // PostgreSQL may have learnt new ones
  zones_ = co_await std::move(reading);
  if (!zones_.contains(zone)) throw Failure::permanent("timezone is no name of pg_timezone_names", "invalid_event");
}

Task<> MatchHandler::handle(Context& context, PersonRecorded const& person) {
  if (context.replaying()) co_return context.pass_over("people stay as they are");
  auto checking = check_zone(context, person.timezone);
  co_await std::move(checking);
  auto is_latest = true;
  auto committing = context.commit([&](UnitOfWork& unit) {
    auto const cancelled = people_->record(unit, person, context.time_ms());
    is_latest = cancelled.has_value();
    for (auto const& match : cancelled.value_or(std::vector<Uuid>{}))
      unit.publish(MatchCancelled{person.domain, match, "withdrawn"}, to_string(match));
    matches_->log_end(unit, context, work_of(person));
  });
  auto const committed = co_await std::move(committing);
  if (!committed) co_return;
  processing::observe_duration(context, work_of(person).action);
  if (!is_latest) log::info(context.log_fields(), "a later event recorded the person: this one changes nothing");
}

Task<> MatchHandler::handle(Context& context, MatchInsightsOverrideRequested const& request) {
  if (context.replaying()) co_return context.pass_over("insights are not replaced again");
  auto committing = context.commit([&](UnitOfWork& unit) {
    if (auto changed = matches_->override_insights(unit, context.event_key(), request))
      unit.publish(MatchInsightsOverridden{request.domain, request.match_id, std::move(changed->before),
                                           std::move(changed->after), request.requested_by},
                   to_string(request.match_id));
    matches_->log_end(unit, context, work_of(request));
  });
  auto const committed = co_await std::move(committing);
  if (committed) processing::observe_duration(context, work_of(request).action);
}

Task<> MatchHandler::handle(Context& context, AgentConversationCompleted const& ended) {
  auto committing = context.commit([&](UnitOfWork& unit) {
    if (matches_->complete(unit, ended.match_id, ended.conversation_id, context.replaying()))
      unit.publish(MatchCompleted{ended.domain, ended.match_id, ended.conversation_id}, to_string(ended.match_id));
    matches_->log_end(unit, context, work_of(ended));
  });
  auto const committed = co_await std::move(committing);
  if (committed) processing::observe_duration(context, work_of(ended).action);
}

Task<> MatchHandler::handle(Context& context, AgentConversationFailed const& ended) {
  if (context.replaying()) co_return context.pass_over("nothing is scheduled again");
  auto committing = context.commit([&](UnitOfWork& unit) {
    auto const after =
        matches_->fail(unit, ended.match_id, ended.conversation_id, ended.stop_reason, settings_.match_attempts);
    if (after.schedule)
      unit.publish(MatchScheduled{ended.domain, ended.match_id, after.schedule->scheduled_for},
                   to_string(ended.match_id));
    if (after.cancelled_reason)
      unit.publish(MatchCancelled{ended.domain, ended.match_id, *after.cancelled_reason}, to_string(ended.match_id));
    matches_->log_end(unit, context, work_of(ended));
  });
  auto const committed = co_await std::move(committing);
  if (committed) processing::observe_duration(context, work_of(ended).action);
}

void MatchHandler::gave_up(Context& context, PersonRecorded const& person, Failure const& failure, UnitOfWork& unit) {
  matches_->log_failure(unit, context, work_of(person), failure);
}

void MatchHandler::gave_up(Context& context, MatchInsightsOverrideRequested const& request, Failure const& failure,
                           UnitOfWork& unit) {
  matches_->log_failure(unit, context, work_of(request), failure);
}

void MatchHandler::gave_up(Context& context, AgentConversationCompleted const& ended, Failure const& failure,
                           UnitOfWork& unit) {
  matches_->log_failure(unit, context, work_of(ended), failure);
}

void MatchHandler::gave_up(Context& context, AgentConversationFailed const& ended, Failure const& failure,
                           UnitOfWork& unit) {
  matches_->log_failure(unit, context, work_of(ended), failure);
}

}  // namespace omnibus::match
