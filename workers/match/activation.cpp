/// Midnights: matches that are due become active, and their conversations are requested.
#include "time/time.hpp"
#include "workers/match/handler.hpp"
#include "workers/match/tenant.hpp"

namespace omnibus::match {
namespace {

constexpr std::int32_t matches_at_once = 200;  // activated in one short transaction

processing::LoggedWork work_of(MatchMidnightRequested const& request) {
  if (request.match_id) return {request.domain, "activate_match", "match", request.match_id, request.requested_by};
  return {request.domain, "activate_matches", "batch", request.batch_id, request.requested_by};
}

}  // namespace

void MatchHandler::activate(UnitOfWork& unit, ActivationScope const& scope, std::vector<DueMatch>& due) {
  due = matches_->activate(unit, scope, matches_at_once);
  for (auto const& match : due) {
    auto const key = to_string(match.id);
    if (!match.activated) {
      unit.publish(MatchCancelled{match.domain, match.id, "withdrawn"}, key);
      continue;
    }
    auto const conversation = conversation_of(match.id, match.attempts);
    unit.publish(MatchActivated{match.domain, match.id, conversation}, key);
    unit.publish(AgentConversationRequested{match.domain, conversation, match.id}, to_string(conversation));
  }
}

Task<std::int64_t> MatchHandler::activate_all(Context& context, ActivationScope scope) {
  std::int64_t handled = 0;
  auto more = true;
  for (int batch = 0; more; ++batch) {
    std::vector<DueMatch> due;
    auto activating = context.checkpoint("batch-" + std::to_string(batch), [&](UnitOfWork& unit) {
      if (batch == 0) matches_->check(unit, scope);
      activate(unit, scope, due);
    });
    auto const first = co_await std::move(activating);
    if (!first) continue;  // an earlier attempt handled this batch
    handled += static_cast<std::int64_t>(due.size());
    more = due.size() == static_cast<std::size_t>(matches_at_once);
  }
  co_return handled;
}

Task<> MatchHandler::handle(Context& context, TickMidnight const&) {
  if (context.replaying()) co_return context.pass_over("matches are activated when they are due");
  auto activating = activate_all(context, ActivationScope{});
  auto const handled = co_await std::move(activating);
  auto committing = context.commit([](UnitOfWork&) {});
  co_await std::move(committing);
  processing::observe_duration(context, "activate_matches");
  if (handled > 0) log::info(context.log_fields(), "matches that were due are activated", {{"matches", handled}});
}

Task<> MatchHandler::handle(Context& context, MatchMidnightRequested const& request) {
  if (context.replaying()) co_return context.pass_over("matches are activated when they are due");
  auto looking_up = matches_->read_tenant(context, request.domain);
  auto const tenant = co_await std::move(looking_up);
  check_tenant(tenant);
  ActivationScope const scope{request.domain, request.user_id, request.match_id,
                              request.at ? time_in_utc(*request.at) : std::nullopt};
  if (!request.match_id) {
    auto activating = activate_all(context, scope);
    co_await std::move(activating);
  }
  auto committing = context.commit([&](UnitOfWork& unit) {
    if (request.match_id) {
      std::vector<DueMatch> due;
      matches_->check(unit, scope);
      activate(unit, scope, due);
    }
    matches_->log_end(unit, context, work_of(request));
  });
  auto const committed = co_await std::move(committing);
  if (committed) processing::observe_duration(context, work_of(request).action);
}

void MatchHandler::gave_up(Context& context, MatchMidnightRequested const& request, Failure const& failure,
                           UnitOfWork& unit) {
  matches_->log_failure(unit, context, work_of(request), failure);
}

}  // namespace omnibus::match
