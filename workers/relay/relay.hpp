/// Publishes outbox rows that a crashed worker committed but did not publish.
#pragma once

#include "concurrency/stop_signals.hpp"
#include "http/admin_server.hpp"
#include "kafka/producer.hpp"
#include "ledger/database_age.hpp"
#include "workers/relay/config.hpp"

#include <chrono>
#include <cstddef>

namespace pqxx {
class connection;
}

namespace omnibus::relay {

struct SweepSettings {
  std::chrono::milliseconds age{30'000};       ///< younger rows are left to their worker
  std::size_t limit = 1'000;                   ///< rows at once
  std::chrono::milliseconds patience{10'000};  ///< time for the broker to acknowledge, with the rows locked
};

/// Publishes outbox rows of any worker and removes those that the broker has acknowledged.
/// Rows of one key are published in order if the producer never gives up a record (a message timeout of 0). A row that
/// its worker publishes at the same time may reach its topic twice, with the same event id. Blocks. @return
/// the number published. @throws as libpqxx; kafka::Error when the producer accepts no more; std::runtime_error while
/// the broker has not acknowledged records of an earlier sweep.
std::size_t sweep(pqxx::connection& connection, kafka::Producer& producer, SweepSettings const& settings);

/// Sweeps until a signal comes. A worker publishes its predecessor's rows when it takes a partition over; the relay
/// publishes the rows of workers without a successor, and the ledger of erasures.
/// @throws ledger::DatabaseIsOld
void sweep_until_told(RelaySettings const& settings, StopSignals& signals, kafka::Producer& producer,
                      http::AdminServer::Check& ready, ledger::DatabaseAge& age);

}  // namespace omnibus::relay
