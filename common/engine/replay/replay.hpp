/// A replay as the engine sees it: the end of the window in each partition, and the outcome of its events.
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

/// A replay consumes a window of the log again and recomputes the worker's rows. It does not publish or park
/// anything: both are counted here instead. Use it on the event loop only.
class Replay {
 public:
  enum class Outcome {
    handled,
    skipped,    ///< skipped by the handler, for a reason
    failed,     ///< would have been dead-lettered
    suppressed  ///< not an event but a suppressed publication
  };
  /// The number of events by outcome and reason.
  using Counts = std::map<std::pair<Outcome, std::string>, std::uint64_t>;

  explicit Replay(std::span<kafka::OffsetRange const> window) {
    for (auto const& [where, from, to] : window) ends_.emplace(where, to);
  }

  /// The end of the window in this partition; 0 for a partition that was added after the replay was planned.
  std::int64_t end_of(kafka::TopicPartition const& where) const {
    auto const found = ends_.find(where);
    return found == ends_.end() ? 0 : found->second;
  }

  void count(Outcome outcome, std::string_view reason = {}, std::uint64_t events = 1) {
    if (events > 0) counts_[{outcome, std::string{reason}}] += events;
  }
  /// Takes the counts since the last call.
  Counts take() { return std::exchange(counts_, {}); }
  /// Adds counts back that could not be stored.
  void give_back(Counts const& counts) {
    for (auto const& [key, events] : counts) counts_[key] += events;
  }

 private:
  std::map<kafka::TopicPartition, std::int64_t> ends_;
  Counts counts_;
};

std::string_view to_string(Replay::Outcome outcome);

}  // namespace omnibus::engine
