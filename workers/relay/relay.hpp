/// Publishes outbox rows that a crashed worker committed but did not publish.
#pragma once

#include "concurrency/stop_signals.hpp"
#include "http/turns.hpp"
#include "kafka/producer.hpp"
#include "ledger/database_age.hpp"
#include "postgres/outbox_publishing.hpp"
#include "workers/relay/config.hpp"

#include <chrono>
#include <cstddef>

namespace pqxx {
class connection;
}

namespace omnibus::relay {

struct SweepSettings {
  std::chrono::milliseconds age{30'000};      ///< younger rows are left to their worker
  std::size_t limit = 1'000;                  ///< rows at once
  std::chrono::milliseconds patience{2'000};  ///< time for the broker to answer, with the rows locked
};

/// What one sweep did.
struct Swept {
  std::size_t published = 0;  ///< acknowledged by the broker, also rows of earlier sweeps
  std::size_t refused = 0;    ///< set aside
  std::size_t waiting = 0;    ///< topics with rows that the broker has not answered for
  bool more = false;          ///< as many rows as one sweep takes: look again at once
};

/// Publishes outbox rows of any worker and removes those that the broker has acknowledged. Rows that the broker refuses
/// are set aside. Rows to a topic that does not answer wait alone. Rows of one key are published in order if the
/// producer never gives up a record (a message timeout of 0). A row that its worker publishes at the same time may
/// reach its topic twice, with the same event id. One thread uses it; the producer must outlive it.
class Relay {
 public:
  Relay(kafka::Producer& producer, SweepSettings const& settings) : rows_{producer}, settings_{settings} {}

  /// Blocks. @throws as libpqxx.
  Swept sweep(pqxx::connection& connection);

 private:
  postgres::RowPublisher rows_;
  SweepSettings const settings_;
};

/// Sweeps until a signal comes. A worker publishes its predecessor's rows when it takes a partition over; the relay
/// publishes the rows of workers without a successor, and the ledger of erasures.
/// @throws ledger::DatabaseIsOld
void sweep_until_told(RelaySettings const& settings, StopSignals& signals, kafka::Producer& producer,
                      http::Turns& turns, ledger::DatabaseAge& age);

}  // namespace omnibus::relay
