#include "workers/scheduler/ticker.hpp"

#include "faults/failpoint.hpp"
#include "observability/log.hpp"
#include "observability/metrics.hpp"
#include "postgres/outbox_publishing.hpp"
#include "time/time.hpp"
#include "workers/scheduler/calendar.hpp"
#include "workers/scheduler/store.hpp"
#include "workers/scheduler/tick_record.hpp"

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <pqxx/pqxx>

namespace omnibus::scheduler {
namespace {

struct ClaimedTick {
  std::string name;
  DueTick tick;
};

std::optional<Recurrence> recurrence_of(StoredSchedule const& schedule) {
  return schedule.at ? recurring_at(*schedule.at) : recurring_every(schedule.every_ms.value_or(0));
}

void tell(ClaimedTick const& claimed) {
  auto const& [name, tick] = claimed;
  Metrics::process().counter<Metric::ticks>(name).add();
  Metrics::process().counter<Metric::ticks_missed>(name).add(static_cast<double>(tick.missed));
  if (tick.missed > 0)
    log::warn("a schedule ticks late, once for all due times that passed",
              {{"schedule", name}, {"due_at", format_time_ms(tick.due_ms)}, {"missed", tick.missed}});
  else
    log::debug("tick", {{"schedule", name}, {"due_at", format_time_ms(tick.due_ms)}});
}

}  // namespace

std::size_t claim_due(pqxx::connection& connection) {
  std::vector<ClaimedTick> claimed;
  std::vector<kafka::Record> records;
  pqxx::work transaction{connection};
  auto const schedules = read_due(transaction);
  if (!schedules.empty()) OMNIBUS_FAILPOINT("scheduler.due");
  for (auto const& schedule : schedules) {
    auto const recurrence = recurrence_of(schedule);
    if (!recurrence) {  // the others still tick
      log::error("a schedule cannot be read: correct `every` or `at` in pipeline.schedules",
                 {{"schedule", schedule.name}});
      continue;
    }
    if (!schedule.planned_ms) {
      plan(transaction, schedule, next_due(*recurrence, schedule.now_ms));
      continue;
    }
    auto const tick = tick_until(*recurrence, *schedule.planned_ms, schedule.now_ms);
    if (!move_on(transaction, schedule, tick)) continue;
    claimed.push_back({schedule.name, tick});
    records.push_back(tick_record(schedule.name, tick.due_ms, tick.missed));
  }
  add_ticks(transaction, records);
  transaction.commit();
  if (!claimed.empty()) OMNIBUS_FAILPOINT("scheduler.claimed");
  for (auto const& each : claimed) tell(each);
  return claimed.size();
}

std::size_t publish_claimed(pqxx::connection& connection, kafka::Producer& producer,
                            std::chrono::milliseconds patience) {
  // Else each look would pass the same ticks on again while the broker is down.
  if (!producer.flush(patience)) throw std::runtime_error("the broker has not acknowledged earlier ticks");
  auto const rows = read_unpublished(connection);
  if (rows.empty()) return 0;
  postgres::RowPublisher publisher{producer};
  publisher.publish(rows, patience);
  auto const [acknowledged, refused, failure] = publisher.take_answers();
  OMNIBUS_FAILPOINT("scheduler.published");
  pqxx::work transaction{connection};
  postgres::remove_published(transaction, acknowledged);
  postgres::refuse_rows(transaction, refused);
  transaction.commit();
  postgres::tell_refused(refused);
  return acknowledged.size();
}

}  // namespace omnibus::scheduler
