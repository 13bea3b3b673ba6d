/// Publishing of outbox rows by a process that waits for the broker. The engine's workers publish theirs without
/// waiting.
#pragma once

#include "kafka/producer.hpp"
#include "postgres/outbox.hpp"

#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

namespace omnibus::postgres {

/// Publishes rows in their order and waits for the broker for up to `patience`. Rows of one key are published in order
/// if the producer never gives up a record (a message timeout of 0). A row that is not acknowledged in time may still
/// be published later. Blocks. @return the ids of the rows that the broker has acknowledged: remove these.
/// @throws kafka::Error when the producer accepts no more.
std::vector<std::int64_t> publish_rows(kafka::Producer& producer, std::span<OutboxRow const> rows,
                                       std::chrono::milliseconds patience);

}  // namespace omnibus::postgres
