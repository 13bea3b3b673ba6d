/// Ticks: the clock's events, one type per schedule of `pipeline.schedules`. The scheduler publishes them on
/// `ops.ticks`; a worker that acts at certain times handles the type of its schedule.
#pragma once

#include "text/invalid_field.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/describe/class.hpp>

namespace omnibus {

/// A schedule is due. Several schedulers, or one that crashed, publish the same tick with the same id. After downtime
/// there is one tick per schedule, not one per due time.
struct Tick {
  std::string due_at;       ///< RFC 3339, UTC
  std::int64_t missed = 0;  ///< earlier due times that passed without a tick
};
BOOST_DESCRIBE_STRUCT(Tick, (), (due_at, missed))

std::optional<InvalidField> validate(Tick const& tick);

/// Activate matches whose local midnight has come. Each 15 minutes.
struct TickMidnight : Tick {
  static constexpr std::string_view type = "omnibus.tick.midnight.v1";
};
BOOST_DESCRIBE_STRUCT(TickMidnight, (Tick), ())

/// Make the daily reports that are due. Each 15 minutes.
struct TickReport : Tick {
  static constexpr std::string_view type = "omnibus.tick.report.v1";
};
BOOST_DESCRIBE_STRUCT(TickReport, (Tick), ())

/// Evaluate the alert rules. Each minute.
struct TickMonitor : Tick {
  static constexpr std::string_view type = "omnibus.tick.monitor.v1";
};
BOOST_DESCRIBE_STRUCT(TickMonitor, (Tick), ())

/// Wake conversations whose snooze has ended. Each minute.
struct TickSnooze : Tick {
  static constexpr std::string_view type = "omnibus.tick.snooze.v1";
};
BOOST_DESCRIBE_STRUCT(TickSnooze, (Tick), ())

/// Close expired sessions. Each 15 minutes.
struct TickSessionsCleanup : Tick {
  static constexpr std::string_view type = "omnibus.tick.sessions.cleanup.v1";
};
BOOST_DESCRIBE_STRUCT(TickSessionsCleanup, (Tick), ())

/// Prune the pipeline's tables. Each hour.
struct TickPrunePipeline : Tick {
  static constexpr std::string_view type = "omnibus.tick.prune.pipeline.v1";
};
BOOST_DESCRIBE_STRUCT(TickPrunePipeline, (Tick), ())

/// Purge messages beyond their tenant's retention. Daily at 02:00 UTC.
struct TickPruneMessages : Tick {
  static constexpr std::string_view type = "omnibus.tick.prune.messages.v1";
};
BOOST_DESCRIBE_STRUCT(TickPruneMessages, (Tick), ())

/// Check the stored data. Daily at 02:30 UTC.
struct TickQa : Tick {
  static constexpr std::string_view type = "omnibus.tick.qa.v1";
};
BOOST_DESCRIBE_STRUCT(TickQa, (Tick), ())

/// Refresh the knowledge base. Daily at 03:00 UTC.
struct TickKnowledge : Tick {
  static constexpr std::string_view type = "omnibus.tick.knowledge.v1";
};
BOOST_DESCRIBE_STRUCT(TickKnowledge, (Tick), ())

/// Prune the GDPR audit log. Sundays at 03:00 UTC.
struct TickPruneGdprAudit : Tick {
  static constexpr std::string_view type = "omnibus.tick.prune.gdpr-audit.v1";
};
BOOST_DESCRIBE_STRUCT(TickPruneGdprAudit, (Tick), ())

/// Run the weekly optimisation. Mondays at 04:00 UTC.
struct TickTuneWeekly : Tick {
  static constexpr std::string_view type = "omnibus.tick.tune.weekly.v1";
};
BOOST_DESCRIBE_STRUCT(TickTuneWeekly, (Tick), ())

}  // namespace omnibus
