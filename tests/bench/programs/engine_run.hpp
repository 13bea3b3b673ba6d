/// The engine alone, on a topic that is there already.
#pragma once

#include "order_check.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace omnibus::bench {

/// What is done with each event besides keeping its order.
enum class EngineWork {
  none,   ///< its number is read, nothing else
  parse,  ///< the data is decoded
  event,  ///< the envelope is checked and the data decoded
  typed,  ///< the same as the engine does it for a typed handler: it asks whom the event is about
  http,   ///< a model is asked, one POST for each event
};

struct EngineRunSettings {
  std::string brokers;
  std::string topic;
  std::string group;
  std::uint64_t records = 0;
  EngineWork work = EngineWork::none;
  std::string llm_url;
  std::size_t loops = 1;  ///< event loops, each with an engine and an HTTP client; limits are of all of them
  std::size_t max_in_flight = 256;
  std::int64_t prefetch_bytes = 8 << 20;
  std::size_t max_queued_bytes = 64 << 20;
  /// The first record never ends: to be killed once all others have. On one loop.
  bool stuck = false;
  /// Of a thousand keys so many fail at the first attempt of each of their events.
  std::uint32_t failing_keys = 0;
  /// So many people were erased, whom no event is about.
  std::uint32_t erased = 0;
  /// All records stand before the erasures: for each it is looked up whom it is about.
  bool erased_later = false;
  /// Notes how long records took from their writing to their end.
  bool measures_latency = false;
  std::chrono::seconds patience{60};  ///< gives up when nothing was handled for so long
};

struct EngineRun {
  std::uint64_t records = 0;  ///< handled, duplicates included
  double rate = 0;            ///< records a second, from the first one's beginning to the last one's end
  double steady_rate = 0;     ///< of the second half
  double cpu_seconds = 0;     ///< of the whole process, from its start to the last record's end
  double rss_mb = 0;
  std::uint64_t commits = 0;
  std::uint64_t failed_requests = 0;
  OrderCheck::Findings order;
  /// From a record's writing to its end, in ms: the median and the 99th of a hundred, of the keys that do not fail, in
  /// the second half.
  double p50_ms = 0;
  double p99_ms = 0;
  bool committed = false;  ///< the broker has the positions of all of them
};

/// Runs until so many records are handled and committed, or patience ends. @throws kafka::Error, std::runtime_error
EngineRun run_engine(EngineRunSettings const& settings);

}  // namespace omnibus::bench
