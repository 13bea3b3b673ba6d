/// Publishes what workers committed and did not live to publish.
#pragma once

#include "kafka/producer.hpp"

#include <chrono>
#include <cstddef>

namespace pqxx {
class connection;
}

namespace omnibus::relay {

struct SweepSettings {
  std::chrono::milliseconds age{30'000};       ///< younger rows are left to their worker
  std::size_t limit = 1'000;                   ///< rows at once
  std::chrono::milliseconds patience{10'000};  ///< how long the broker may take, with the rows locked
};

/// Publishes outbox rows of any worker and removes those the broker has.
/// Rows of one key go in their order if the producer never gives a record up (a message timeout of 0). A row that is
/// being published by its worker at the same time may reach its topic twice, with the same event id. Blocks. @return
/// how many were published. @throws as libpqxx; kafka::Error when the producer takes no more; std::runtime_error while
/// the broker has not taken what an earlier sweep gave it.
std::size_t sweep(pqxx::connection& connection, kafka::Producer& producer, SweepSettings const& settings);

/// The relay's main function. A worker publishes what its predecessor left as soon as it takes a partition over; the
/// relay is for the rows of workers that have no successor. @return the exit status.
int run(int argc, char** argv);

}  // namespace omnibus::relay
