/// A batch: candidates, shortened by a model if need be, and a request for each pair.
#include "workers/match/handler.hpp"
#include "workers/match/tenant.hpp"

#include <fmt/format.h>

namespace omnibus::match {
namespace {

processing::LoggedWork work_of(MatchBatchRequested const& request) {
  return {request.domain, "find_candidates", "batch", request.batch_id, request.requested_by};
}

}  // namespace

Task<> MatchHandler::handle(Context& context, MatchBatchRequested const& request) {
  if (context.replaying()) co_return context.pass_over("its pairs were requested");
  auto looking_up = matches_->read_tenant(context, request.domain);
  auto const tenant = co_await std::move(looking_up);
  check_tenant(tenant);
  auto starting = matches_->log_start(context, work_of(request));
  co_await std::move(starting);
  auto const batch_size = static_cast<std::size_t>(request.batch_size.value_or(settings_.match_batch_size));
  auto const useful = batch_size + spare_candidates;
  auto const most = static_cast<std::size_t>(settings_.match_max_per_person);
  // Enough of them to find as many as are useful, even if each person is in the list many times.
  auto const limit = static_cast<std::int64_t>(useful * most);
  auto finding = candidates_->find(context, request.domain, settings_.match_rematch_after, limit);
  auto const candidates = co_await std::move(finding);
  auto choosing = choose(context, request, spread_fairly(candidates.ordered, most, useful), batch_size);
  auto const choice = co_await std::move(choosing);
  auto committing = context.commit([&](UnitOfWork& unit) {
    // Another batch may have requested some of them meanwhile.
    auto const added = matches_->add(unit, request.domain, request.batch_id, choice.pairs);
    for (auto const& pair : added)
      unit.publish(MatchPairRequested{request.domain, pair.a, pair.b, request.batch_id}, key_of(pair));
    auto const requested = static_cast<std::int64_t>(added.size());
    matches_->log_end(unit, context, work_of(request), choice.spent,
                      fmt::format(R"({{"people":{},"candidates":{},"requested":{},"left_out":{}}})", candidates.people,
                                  candidates.pairs, requested, candidates.pairs - requested));
  });
  auto const committed = co_await std::move(committing);
  if (committed) processing::observe_duration(context, work_of(request).action);
}

Task<MatchHandler::Choice> MatchHandler::choose(Context& context, MatchBatchRequested const& request,
                                                std::vector<Pair> candidates, std::size_t batch_size) {
  if (candidates.size() <= batch_size) co_return Choice{std::move(candidates)};
  auto const shortening = shorten(candidates.size(), batch_size);
  auto const first = candidates.begin() + static_cast<std::ptrdiff_t>(shortening.kept);
  auto describing = candidates_->describe(context, {first, first + static_cast<std::ptrdiff_t>(shortening.offered)});
  auto const offered = co_await std::move(describing);
  assistant::StructuredQuestion question;
  question.prompt = shortlist_prompt(offered, shortening);
  question.max_tokens = settings_.match_answer_tokens;
  assistant::Turn turn{request.domain, request.batch_id, "shortlist"};
  auto asking = model_->ask_for<Shortlist>(context, std::move(turn), std::move(question),
                                           [&](Shortlist const& list) { return check(list, shortening); });
  auto const asked = co_await std::move(asking);
  if (!asked.answer)  // the list is in a good order without it, too
    log::warn(context.log_fields(), "no model shortened a batch: its first candidates are taken",
              {{"fate", std::string{to_string(asked.fate)}}, {"detail", asked.detail}});
  auto const chosen = asked.answer ? asked.answer->pairs : std::vector<std::int64_t>{};
  co_return Choice{take(candidates, shortening, chosen), spent_of(asked)};
}

void MatchHandler::gave_up(Context& context, MatchBatchRequested const& request, Failure const& failure,
                           UnitOfWork& unit) {
  matches_->log_failure(unit, context, work_of(request), failure);
}

}  // namespace omnibus::match
