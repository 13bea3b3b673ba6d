/// Ticks as Kafka records. Pure, except for the time and the trace in their headers.
#pragma once

#include "kafka/record.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <string_view>

namespace omnibus::scheduler {

inline constexpr std::string_view ticks_topic = "ops.ticks";

/// The id of a tick's event: the same for equal names and due times, whoever publishes it.
Uuid tick_id(std::string_view name, std::int64_t due_ms);

/// The tick of a schedule such as `tick.qa`: an event `omnibus.tick.qa.v1` with the schedule's name as its key.
kafka::Record tick_record(std::string_view name, std::int64_t due_ms, std::int64_t missed);

}  // namespace omnibus::scheduler
