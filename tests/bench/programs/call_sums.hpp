/// The rollups of model calls by a program that does nothing else: the least that has to be read of a call, hashed and
/// added up.
#pragma once

#include "workers/telemetry/rollup.hpp"

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include <simdjson.h>

namespace pqxx {
class connection;
}

namespace omnibus::bench {

class CallSums {
 public:
  /// @throws simdjson::simdjson_error for a call that lacks what its rollups need
  void add(simdjson::ondemand::document& call, std::int64_t time_ms);

  /// Adds the rows that changed since the last time to the telemetry worker's tables, by its own SQL.
  void upsert(pqxx::connection& connection);

  std::uint64_t calls() const { return calls_; }

 private:
  std::string_view keep(std::string_view text) { return texts_.emplace_back(text); }

  telemetry::Rollup changed_;
  std::deque<std::string> texts_;  ///< what the keys refer to; stays where it is
  std::uint64_t calls_ = 0;
};

}  // namespace omnibus::bench
