/// The limit of consuming: librdkafka drained in batches by one thread, and as little as possible done with each
/// record.
#pragma once

#include "config/types.hpp"
#include "span.hpp"

#include <cstdint>
#include <string>

namespace omnibus::bench {

/// MiB that librdkafka may hold ahead of the drain: as much as it can get.
constexpr int any_prefetch_mib = 1024;

enum class DrainWork {
  none,     ///< the record is let go
  parse,    ///< its data is read by simdjson, both fields
  hash,     ///< of a model call what its rollups need is read, and added up by quarter of an hour, domain and model
  rollups,  ///< the same, and twice a second what has changed is added to the telemetry worker's tables
  event,    ///< as the engine's `parse`: the envelope is checked and the data decoded by the same code
};

struct DrainSettings {
  std::string brokers;
  std::string topic;
  std::string group;
  std::uint64_t records = 0;
  DrainWork work = DrainWork::none;
  int prefetch_mib = any_prefetch_mib;  ///< with less, a response brings twice that at most, as the engine has it
  Secret database_url;                  ///< of rollups; the telemetry worker's
};

/// Reads so many records in a group, and commits once at the end. @throws std::runtime_error, kafka::Error,
/// pqxx::failure
Span drain(DrainSettings const& settings);

}  // namespace omnibus::bench
