/// All the SQL of the scheduler: the schedules, the right to tick, and the ticks that wait in the outbox.
#pragma once

#include "postgres/outbox.hpp"
#include "workers/scheduler/calendar.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::scheduler {

/// Makes the database end this session after so long a silence, within a transaction or between two. So a scheduler
/// that is paused loses its right to tick, and with it the only connection over which it can.
void end_when_silent(pqxx::connection& connection, std::chrono::milliseconds limit);

/// Takes the right to tick, which one session has at a time and keeps until it ends. @return false when another session
/// has it.
bool become_active(pqxx::connection& connection);

/// A schedule that is due, or has no due time yet.
struct StoredSchedule {
  std::string name;
  std::optional<std::int64_t> every_ms;    ///< either this
  std::optional<std::string> at;           ///< or this
  std::optional<std::string> planned;      ///< its due time as the database writes it; absent: none yet
  std::optional<std::int64_t> planned_ms;  ///< the same, in ms since 1970
  std::int64_t now_ms = 0;                 ///< the database's clock, which all schedulers share
};
BOOST_DESCRIBE_STRUCT(StoredSchedule, (), (name, every_ms, at, planned, planned_ms, now_ms))

/// The enabled ones, by name.
std::vector<StoredSchedule> read_due(pqxx::transaction_base& transaction);

/// Gives a schedule its first due time, unless it has one by now.
void plan(pqxx::transaction_base& transaction, StoredSchedule const& schedule, std::int64_t next_ms);

/// Moves a schedule on to its next due time. @return false when it is not as it was read: another scheduler has claimed
/// the tick, or an operator has changed the schedule.
bool move_on(pqxx::transaction_base& transaction, StoredSchedule const& schedule, DueTick const& tick);

/// Ticks to publish once the transaction is committed.
void add_ticks(pqxx::transaction_base& transaction, std::span<kafka::Record const> ticks);

/// Ticks of this or an earlier scheduler that the broker has not acknowledged, oldest first.
std::vector<OutboxRow> read_unpublished(pqxx::connection& connection);

}  // namespace omnibus::scheduler
