/// The clock: publishes an event when a schedule of `pipeline.schedules` is due.
#pragma once

#include "concurrency/stop_signals.hpp"
#include "http/turns.hpp"
#include "kafka/producer.hpp"
#include "ledger/database_age.hpp"
#include "workers/scheduler/config.hpp"

namespace omnibus::scheduler {

/// Ticks until a signal comes. One scheduler is active, by a session lock of PostgreSQL; others stand by and take over
/// when its session ends.
void tick_until_told(SchedulerSettings const& settings, StopSignals& signals, kafka::Producer& producer,
                     http::Turns& turns, ledger::DatabaseAge& age);

}  // namespace omnibus::scheduler
