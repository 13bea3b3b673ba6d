/// Publishes what workers committed and did not live to publish.
#pragma once

#include "kafka/producer.hpp"

#include <chrono>
#include <cstddef>

namespace pqxx {
class connection;
}

namespace omnibus::relay {

/// Publishes outbox rows of any worker that are at least `age` old and removes those the broker has; at most `limit`.
/// A row that is being published by somebody else at the same time may reach its topic twice, with the same event id.
/// Blocks. @return how many were published. @throws as libpqxx; kafka::Error when the producer takes no more.
std::size_t sweep(pqxx::connection& connection, kafka::Producer& producer, std::chrono::milliseconds age,
                  std::size_t limit);

/// The relay's main function. A worker publishes what its predecessor left as soon as it takes a partition over; the
/// relay is for the rows of workers that have no successor. @return the exit status.
int run(int argc, char** argv);

}  // namespace omnibus::relay
