/// One partition that this worker owns.
#pragma once

#include "engine/dispatch/delivery.hpp"
#include "engine/dispatch/done_ahead.hpp"
#include "engine/dispatch/offset_frontier.hpp"
#include "kafka/consumer.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace omnibus::engine {

/// From its assignment until its last delivery is gone. Belongs to the event loop.
struct Partition {
  static constexpr auto no_limit = std::numeric_limits<OffsetFrontier::Sequence>::max();

  kafka::TopicPartition where;
  OffsetFrontier frontier;

  /// What PostgreSQL fences by; known once the partition was taken over.
  std::int64_t epoch = 0;
  /// Taken over and swept: its deliveries may start. Until then they are held.
  bool open = false;
  /// Somebody else's: nothing of it may be written or committed any more.
  bool lost = false;
  /// The last commit was to find out whether the group still counts us in.
  bool confirming = false;
  /// It still does: the fence is being raised again, and what is refused meanwhile was begun before.
  bool taking_over = false;

  /// Deliveries from here on are given back instead of started: set when it is drained.
  OffsetFrontier::Sequence drain_limit = no_limit;
  /// One past the newest delivery that was ever started.
  OffsetFrontier::Sequence started = 0;
  /// What an earlier owner had finished beyond its position.
  DoneAhead done_ahead;
  /// The position last sent to the broker with how much was finished beyond it, and the position it acknowledged.
  std::int64_t sent = -1;
  std::size_t sent_ahead = 0;
  std::int64_t committed = -1;
  /// Deliveries that are neither finished nor given back.
  std::size_t alive = 0;
  std::vector<Delivery*> held;

  /// Of a replay: where its window ends, and whether everything before that has arrived.
  std::int64_t end = std::numeric_limits<std::int64_t>::max();
  bool read_to_end = false;

  bool draining() const { return drain_limit != no_limit; }
  /// Whether it is worth while to go on with it: it is neither lost nor being given up.
  bool wanted() const { return !lost && !draining(); }
  /// Whether a delivery of it that does not run is given back rather than started or kept waiting.
  bool gives_back(OffsetFrontier::Sequence sequence) const {
    return lost || sequence >= drain_limit || (draining() && !open);
  }
};

}  // namespace omnibus::engine
