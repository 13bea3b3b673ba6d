/// Claims what is due and publishes it.
#pragma once

#include "kafka/producer.hpp"

#include <chrono>
#include <cstddef>

namespace pqxx {
class connection;
}

namespace omnibus::scheduler {

/// Writes a tick into the outbox for each schedule that is due, and moves the schedule on, in one transaction: each due
/// time is claimed once, even by two schedulers at the same time. Schedules without a due time get one. Blocks.
/// @return the number of ticks. @throws as libpqxx.
std::size_t claim_due(pqxx::connection& connection);

/// Publishes claimed ticks, also those that an earlier scheduler left, and removes those that the broker has
/// acknowledged within `patience`; those that it refuses are set aside. Blocks. @return the number acknowledged.
/// @throws as libpqxx; std::runtime_error while the broker has not acknowledged earlier ticks.
std::size_t publish_claimed(pqxx::connection& connection, kafka::Producer& producer,
                            std::chrono::milliseconds patience);

}  // namespace omnibus::scheduler
