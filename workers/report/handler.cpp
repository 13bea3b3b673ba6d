#include "workers/report/handler.hpp"

#include "messaging/unsubscribe.hpp"
#include "workers/report/render.hpp"
#include "workers/report/smtp_mailer.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>

namespace omnibus::report {
namespace {

processing::LoggedWork work_of(ReportRequested const& request) {
  return {request.domain, "generate_report", "user", request.user_id, request.requested_by};
}

processing::LoggedWork work_of(ReportGenerated const& report) {
  return {report.domain, "send_report", "report", report.report_id, std::nullopt};
}

processing::LoggedWork work_of(ReportRated const& rated) {
  return {rated.domain, "rate_report", "report", rated.report_id, std::nullopt};
}

/// One for all loops of the process, so that SMTP_CONNECTIONS is the process's.
std::shared_ptr<Mailer> share_mailer(Resources const& resources, ReportSettings const& settings) {
  if (resources.replay || settings.smtp_url.empty()) return nullptr;
  return resources.shared->get<Mailer>("smtp", [&] { return std::make_shared<SmtpMailer>(settings); });
}

std::string_view state_after(MailFate fate) {
  if (fate == MailFate::sent) return "sent";
  return fate == MailFate::refused ? "refused" : "in_doubt";
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

ReportHandler::ReportHandler(Resources& resources, ReportSettings const& settings)
    : ReportHandler{settings, std::make_unique<PostgresReports>(), share_mailer(resources, settings), wall_clock_ms} {}

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
    auto asking = context.checkpoint("people-" + std::to_string(part), [&](UnitOfWork& unit) {
      for (auto const& due : store_->find_due(unit, now, part))
        unit.publish(ReportRequested{due.domain, due.user_id, due.report_date, std::nullopt}, to_string(due.user_id));
    });
    co_await std::move(asking);
  }
  auto committing = context.commit([](UnitOfWork&) {});
  co_await std::move(committing);
}

Task<> ReportHandler::handle(Context& context, ReportRequested const& request) {
  // Today is the day it was asked for, also in a replay and after a wait.
  DueTime const now{request.report_date ? clock_() : context.time_ms(), settings_.report_hour};
  auto reading = store_->read(context, request, now);
  auto const person = co_await std::move(reading);
  if (!person || person->domain != request.domain)
    throw Failure::permanent("the tenant has no such person", "unknown_user");
  if (request.requested_by && !person->may_get_reports)
    throw Failure::permanent("the person is not approved, or the tenant not active", "not_eligible");
  // It would take the day's news away. The pipeline asks for days that are due, by the time of a tick.
  if (request.requested_by && person->is_future && !context.replaying())
    throw Failure::permanent("report_date is in the future", "invalid_event");
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
  auto const first = co_await std::move(committing);
  if (first && !context.replaying()) processing::observe_duration(context, work_of(request).action);
}

Task<> ReportHandler::handle(Context& context, ReportGenerated const& report) {
  if (context.replaying()) co_return context.pass_over("no report is sent again");
  if (!mailer_) {
    auto passing = context.commit([](UnitOfWork&) {});
    co_await std::move(passing);
    co_return;
  }
  auto reading = store_->read_mail(context, report.report_id);
  auto mail = co_await std::move(reading);
  auto const was_claimed = mail && mail->send_state == "claimed";
  if (was_claimed) {  // by an attempt that did not live to settle it
    auto settling = settle(context, report, "in_doubt", "the worker stopped while it was sent");
    co_await std::move(settling);
  } else if (mail && mail->email && !mail->send_state) {
    auto sending = send(context, report, *std::move(mail));
    co_await std::move(sending);
  } else {
    auto ending = context.commit([&](UnitOfWork& unit) { store_->log_end(unit, context, work_of(report)); });
    co_await std::move(ending);
  }
}

Task<> ReportHandler::handle(Context& context, ReportRated const& rated) {
  auto committing = context.commit([&](UnitOfWork& unit) {
    // In a replay, reports that were erased are gone.
    if (!store_->rate(unit, rated, context.time_ms()) && !context.replaying())
      throw Failure::permanent("the person has no such report", "unknown_report");
    store_->log_end(unit, context, work_of(rated));
  });
  co_await std::move(committing);
}

Task<> ReportHandler::send(Context& context, ReportGenerated const& report, ReportMail mail) {
  auto const too_late = is_too_late(mail);
  auto email = make_email(report, std::move(mail));
  auto claimed = false;
  // Each attempt claims anew, so each is a step of its own.
  auto const attempt = to_string(random_uuid());
  auto claiming = context.checkpoint(
      "claim-" + attempt, [&](UnitOfWork& unit) { claimed = store_->claim(unit, report.report_id, email.message_id); });
  co_await std::move(claiming);
  if (!claimed) throw Failure::transient("another attempt sends the report");
  MailResult result{MailFate::deferred, "it could not be sent in time"};
  if (!too_late) {
    auto sending = mailer_->send(std::move(email));
    result = co_await std::move(sending);
  }
  if (result.fate != MailFate::deferred || too_late) {
    auto settling = settle(context, report, too_late ? "failed" : std::string{state_after(result.fate)}, result.detail);
    co_await std::move(settling);
    co_return;
  }
  auto releasing = context.checkpoint("release-" + attempt, [&](UnitOfWork& unit) {
    store_->settle(unit, report.report_id, std::nullopt, result.detail);
  });
  co_await std::move(releasing);
  throw Failure::deferred("the mail server did not take a report: " + result.detail);
}

Task<> ReportHandler::settle(Context& context, ReportGenerated const& report, std::string state, std::string detail) {
  auto committing = context.commit([&](UnitOfWork& unit) {
    store_->settle(unit, report.report_id, state, detail);
    store_->log_end(unit, context, work_of(report));
  });
  co_await std::move(committing);
  if (state != "sent")
    log::warn(context.log_fields(), "a report was not sent by e-mail", {{"state", state}, {"reason", detail}});
}

bool ReportHandler::is_too_late(ReportMail const& mail) const {
  return mail.claimed_ms && clock_() - *mail.claimed_ms > settings_.smtp_give_up_after.count();
}

Email ReportHandler::make_email(ReportGenerated const& report, ReportMail mail) const {
  Email email;
  email.from = settings_.smtp_from;
  email.to = std::move(*mail.email);
  email.to_name = std::move(mail.handle);
  email.subject = "Your report of " + mail.report_date;
  email.text = std::move(mail.text);
  email.html = std::move(mail.html);
  email.message_id = to_string(report.report_id) + settings_.smtp_from.substr(settings_.smtp_from.find('@'));
  if (!settings_.public_url.empty() && !settings_.unsubscribe_secret.empty())
    email.unsubscribe_url = settings_.public_url + messaging::unsubscribe_address(settings_.unsubscribe_secret.reveal(),
                                                                                  mail.domain, mail.user_id);
  email.date_ms = clock_();
  return email;
}

void ReportHandler::gave_up(Context& context, ReportRequested const& request, Failure const& failure,
                            UnitOfWork& unit) {
  store_->log_failure(unit, context, work_of(request), failure);
}

void ReportHandler::gave_up(Context& context, ReportGenerated const& report, Failure const& failure, UnitOfWork& unit) {
  store_->settle(unit, report.report_id, "in_doubt", failure.error_class());  // only what is still claimed
  store_->log_failure(unit, context, work_of(report), failure);
}

void ReportHandler::gave_up(Context& context, ReportRated const& rated, Failure const& failure, UnitOfWork& unit) {
  store_->log_failure(unit, context, work_of(rated), failure);
}

}  // namespace omnibus::report
