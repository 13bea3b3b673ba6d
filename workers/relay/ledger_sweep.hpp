/// Publishes the ledger of erasures.
#pragma once

#include "workers/relay/relay.hpp"

#include <cstddef>

namespace omnibus::relay {

/// Publishes entries of pipeline.ledger that were not yet, in their order, and notes which the broker acknowledged. A
/// crash in between publishes them again, with the same ids. @return how many. @throws what libpqxx and Kafka throw
std::size_t sweep_ledger(pqxx::connection& connection, kafka::Producer& producer, SweepSettings const& settings);

}  // namespace omnibus::relay
