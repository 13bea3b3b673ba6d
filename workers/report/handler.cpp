#include "workers/report/handler.hpp"

#include "workers/report/render.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>

namespace omnibus::report {
namespace {

processing::Work work_of(ReportRequested const& request) {
  return {request.domain, "generate_report", "user", request.user_id, request.requested_by};
}

NewReport make_report(ReportRequested const& request, ReportPerson const& person) {
  NewReport report;
  report.id = name_uuid(request.user_id, {"report ", person.report_date});  // a replay gives it the same one
  report.domain = person.domain;
  report.user_id = request.user_id;
  report.date = person.report_date;
  report.text = render_text(person.content);
  report.html = render_html(person.content);
  for (auto const& outcome : person.content.outcomes) report.outcomes.push_back(outcome.id);
  return report;
}

}  // namespace

Task<> ReportHandler::handle(Context& context, TickReport const& tick) {
  if (context.replaying()) co_return context.pass_over("reports are asked for when they are due");
  // Ticks that waited through a downtime all look at the present day: one report, not one for each day missed.
  DueTime const now{std::max(parse_time_ms(tick.due_at).value_or(0), clock_()), settings_.report_hour};
  auto counting = store_->count_unknown_zones(context);
  auto const unknown = co_await std::move(counting);
  if (unknown > 0)
    log::warn(context.log_fields(), "people have a time zone that PostgreSQL does not know: theirs counts as UTC",
              {{"people", unknown}});
  for (std::int32_t part = 0; part < ReportStore::due_parts; ++part) {
    auto asking = context.checkpoint("people " + std::to_string(part), [&](UnitOfWork& unit) {
      for (auto const& due : store_->find_due(unit, now, part))
        unit.publish(ReportRequested{due.domain, due.user_id, due.report_date, std::nullopt}, to_string(due.user_id));
    });
    co_await std::move(asking);
  }
  auto committing = context.commit([](UnitOfWork&) {});
  co_await std::move(committing);
}

Task<> ReportHandler::handle(Context& context, ReportRequested const& request) {
  auto reading = store_->read(context, request, {clock_(), settings_.report_hour});
  auto const person = co_await std::move(reading);
  if (!person || person->domain != request.domain)
    throw Failure::permanent("the tenant has no such person", "unknown_user");
  if (request.requested_by && !person->may_get_reports)
    throw Failure::permanent("the person is not approved, or the tenant not active", "not_eligible");
  auto const is_wanted =
      person->may_get_reports && !person->has_report && (request.requested_by || !person->content.outcomes.empty());
  if (!is_wanted && context.replaying()) co_return context.pass_over("the person needs no further report");
  auto committing = context.commit([&](UnitOfWork& unit) {
    store_->log_end(unit, context, work_of(request));
    if (!is_wanted) return;
    auto const report = make_report(request, *person);
    if (!store_->add(unit, report)) return;
    unit.publish(ReportGenerated{report.domain, report.user_id, report.id, report.date,
                                 static_cast<std::int64_t>(report.outcomes.size())},
                 to_string(report.user_id));
  });
  co_await std::move(committing);
}

void ReportHandler::gave_up(Context& context, ReportRequested const& request, Failure const& failure,
                            UnitOfWork& unit) {
  store_->log_failure(unit, context, work_of(request), failure);
}

}  // namespace omnibus::report
