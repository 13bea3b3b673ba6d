/// A replay as the engine sees it: where the window ends in each partition, and what became of its events.
#pragma once

#include "kafka/consumer.hpp"
#include "kafka/offset_window.hpp"

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace omnibus::engine {

/// A replay goes through a window of the log once more and re-computes what the worker keeps. It publishes nothing and
/// parks nothing: both are counted here instead. Belongs to the event loop.
class Replay {
 public:
  enum class Outcome {
    handled,
    skipped,    ///< passed over by the handler, for a reason
    failed,     ///< would have been dead-lettered
    suppressed  ///< not an event but a publication that was not made
  };
  /// How many events of each outcome and reason.
  using Counts = std::map<std::pair<Outcome, std::string>, std::uint64_t>;

  explicit Replay(std::span<kafka::OffsetRange const> window) {
    for (auto const& [where, from, to] : window) ends_.emplace(where, to);
  }

  /// The first offset of this partition that is not the replay's; 0 for one that came after the replay was planned.
  std::int64_t end_of(kafka::TopicPartition const& where) const {
    auto const found = ends_.find(where);
    return found == ends_.end() ? 0 : found->second;
  }

  void count(Outcome outcome, std::string_view reason = {}, std::uint64_t events = 1) {
    if (events > 0) counts_[{outcome, std::string{reason}}] += events;
  }
  /// What was counted since the last time.
  Counts take() { return std::exchange(counts_, {}); }
  /// Counts again what could not be kept.
  void give_back(Counts const& counts) {
    for (auto const& [key, events] : counts) counts_[key] += events;
  }

 private:
  std::map<kafka::TopicPartition, std::int64_t> ends_;
  Counts counts_;
};

std::string_view to_string(Replay::Outcome outcome);

}  // namespace omnibus::engine
