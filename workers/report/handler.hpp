/// The daily report of each person.
#pragma once

#include "events/report.hpp"
#include "events/tick.hpp"
#include "handler/handler.hpp"
#include "time/time.hpp"
#include "workers/report/config.hpp"
#include "workers/report/mailer.hpp"
#include "workers/report/store.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

namespace omnibus::report {

/// Each tick asks for the reports that are due; each request makes one report of what no report of the person holds
/// yet. There is one report a day, however often it is asked for, and each outcome is in exactly one report of each of
/// its two people. Without anything new there is none, unless somebody asked for it. With SMTP_URL each report is sent
/// by e-mail: claimed before, and never sent twice. What the server does not take yet is tried again for some hours,
/// while other people's reports go on; if nobody knows whether it took a report, that is in doubt and not sent again.
class ReportHandler {
 public:
  static constexpr std::string_view name = "report";
  static constexpr std::string_view summary = "Makes each person's daily report of the conversations of agents.";
  using Settings = ReportSettings;
  using Events = EventList<TickReport, ReportRequested, ReportGenerated, ReportRated>;
  using Clock = std::function<std::int64_t()>;  ///< in ms since 1970

  /// @throws std::invalid_argument for settings of e-mail that cannot be used.
  ReportHandler(Resources& resources, ReportSettings const& settings);
  /// @param mailer null when no e-mail is sent: without SMTP_URL, and in a replay.
  ReportHandler(ReportSettings const& settings, std::unique_ptr<ReportStore> store, std::shared_ptr<Mailer> mailer,
                Clock clock)
      : settings_{settings}, store_{std::move(store)}, mailer_{std::move(mailer)}, clock_{std::move(clock)} {}

  /// Asks for the reports that are due now, or at the tick's time if that is later.
  Task<> handle(Context& context, TickReport const& tick);
  Task<> handle(Context& context, ReportRequested const& request);
  /// Sends the report by e-mail.
  Task<> handle(Context& context, ReportGenerated const& report);
  Task<> handle(Context& context, ReportRated const& rated);
  void gave_up(Context& context, ReportRequested const& request, Failure const& failure, UnitOfWork& unit);
  void gave_up(Context& context, ReportGenerated const& report, Failure const& failure, UnitOfWork& unit);
  void gave_up(Context& context, ReportRated const& rated, Failure const& failure, UnitOfWork& unit);

 private:
  /// Sends a report that is claimed, and settles it.
  Task<> send(Context& context, ReportGenerated const& report, ReportMail mail);
  Email make_email(ReportGenerated const& report, ReportMail mail) const;
  bool is_too_late(ReportMail const& mail) const;
  /// Settles a claimed report and ends the event.
  Task<> settle(Context& context, ReportGenerated const& report, std::string state, std::string detail);

  ReportSettings const settings_;
  std::unique_ptr<ReportStore> store_;
  std::shared_ptr<Mailer> mailer_;  // null: nothing is sent
  Clock const clock_;
};

}  // namespace omnibus::report
