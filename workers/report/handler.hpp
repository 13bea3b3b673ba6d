/// The daily report of each person.
#pragma once

#include "events/report.hpp"
#include "events/tick.hpp"
#include "handler/handler.hpp"
#include "time/time.hpp"
#include "workers/report/config.hpp"
#include "workers/report/store.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

namespace omnibus::report {

/// Each tick asks for the reports that are due; each request makes one report of what no report of the person holds
/// yet. There is one report a day, however often it is asked for, and each outcome is in exactly one report of each of
/// its two people. Without anything new there is none, unless somebody asked for it.
class ReportHandler {
 public:
  static constexpr std::string_view name = "report";
  static constexpr std::string_view summary = "Makes each person's daily report of the conversations of agents.";
  using Settings = ReportSettings;
  using Events = EventList<TickReport, ReportRequested>;
  using Clock = std::function<std::int64_t()>;  ///< in ms since 1970

  ReportHandler(Resources&, ReportSettings const& settings)
      : ReportHandler{settings, std::make_unique<PostgresReports>(), wall_clock_ms} {}
  ReportHandler(ReportSettings const& settings, std::unique_ptr<ReportStore> store, Clock clock)
      : settings_{settings}, store_{std::move(store)}, clock_{std::move(clock)} {}

  /// Asks for the reports that are due now, or at the tick's time if that is later.
  Task<> handle(Context& context, TickReport const& tick);
  Task<> handle(Context& context, ReportRequested const& request);
  void gave_up(Context& context, ReportRequested const& request, Failure const& failure, UnitOfWork& unit);

 private:
  ReportSettings const settings_;
  std::unique_ptr<ReportStore> store_;
  Clock const clock_;
};

}  // namespace omnibus::report
