/// Topics for the engine to be run on.
#pragma once

#include "config/types.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace omnibus::bench {

enum class Keys {
  distinct,  ///< every event has a key of its own
  uniform,   ///< the keys take turns
  zipf,      ///< the n-th key comes as often as 1/n says: Zipf(1.0)
};

/// Of which kind the events are.
enum class Kind {
  bench,     ///< BenchEvent
  messages,  ///< what the chat worker answers
  calls,     ///< what the telemetry worker counts: model calls of five models
};

struct FillSettings {
  std::string brokers;
  std::string topic;
  std::uint64_t records = 0;
  Kind kind = Kind::bench;
  Keys keys = Keys::distinct;
  std::size_t key_count = 100'000;  ///< of uniform and zipf
  std::uint64_t first_key = 0;      ///< other keys than those of a topic filled from 0
  /// Of messages and calls, whose keys take turns: shop.example, shop-1.example, shop-2.example, ...
  std::uint64_t tenants = 1;
  std::size_t bytes = 400;       ///< of each event's data; of BenchEvent only
  std::int32_t partitions = 12;  ///< of a topic that is not there yet; the embedded broker's are made with it
  std::string compression = "none";
  std::uint64_t rate = 0;  ///< events a second; 0: as fast as it can
  std::uint64_t seed = 1;
  Secret database_url;  ///< messages are sealed where this database says so; none: they are not
  /// What the order check is to find: so many pairs of one key the wrong way round, events twice, and events left out.
  std::uint64_t swapped = 0;
  std::uint64_t repeated = 0;
  std::uint64_t omitted = 0;
};

struct Filled {
  std::int64_t held = 0;      ///< how many records the topic holds, whoever wrote them
  std::uint64_t hottest = 0;  ///< of those just written, how many have the same key at most
};

/// Publishes CloudEvents in binary mode and waits until the broker has them all. The same settings make the same keys
/// and numbers in the same order. `progress` is told how many are published, now and then; may be empty.
/// @throws kafka::Error; std::runtime_error when the topic does not hold them all afterwards
Filled fill(FillSettings const& settings, std::function<void(std::uint64_t)> const& progress);

}  // namespace omnibus::bench
