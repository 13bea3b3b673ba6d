/// What is parked when an event can never be handled.
#pragma once

#include "engine/delivery.hpp"
#include "engine/failure.hpp"
#include "kafka/record.hpp"

#include <chrono>
#include <cstdint>
#include <string_view>

namespace omnibus::engine {

/// Why and where from; goes into the dead letter's headers.
struct DeadLetterReason {
  Failure const& failure;
  std::uint32_t attempts = 0;
  std::string_view group;  ///< the consumer group that gave up
  std::chrono::system_clock::time_point first_seen;
};

/// The record for the dead-letter topic: the original key, value and headers byte for byte, followed by text headers
/// `error.class`, `error.message` (cut at 512 bytes), `error.attempts`, `error.group`, `error.first_seen`,
/// `error.topic`, `error.partition`, `error.offset` and `error.timestamp` (the record's, in ms). Headers of those names
/// that an earlier round left are dropped, so that a record that comes back does not collect them.
kafka::Record make_dead_letter(rd_kafka_message_t const& message, DeadLetterReason const& reason);

}  // namespace omnibus::engine
