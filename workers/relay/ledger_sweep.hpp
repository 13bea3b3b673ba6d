/// Publishes the ledger of erasures.
#pragma once

#include "workers/relay/relay.hpp"

#include <cstddef>

namespace omnibus::relay {

/// Publishes entries of pipeline.ledger that were not yet, in their order, and notes which the broker acknowledged. A
/// crash in between publishes them again, with the same ids. One thread uses it; the producer must outlive it.
class LedgerSweep {
 public:
  LedgerSweep(kafka::Producer& producer, SweepSettings const& settings) : rows_{producer}, settings_{settings} {}

  /// Blocks. @return how many were acknowledged. @throws as libpqxx.
  std::size_t sweep(pqxx::connection& connection);

 private:
  postgres::RowPublisher rows_;
  SweepSettings const settings_;
};

}  // namespace omnibus::relay
