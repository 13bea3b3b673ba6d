/// A partition that this worker owns.
#pragma once

#include "engine/dispatch/deferred_keys.hpp"
#include "engine/dispatch/delivery.hpp"
#include "engine/dispatch/done_ahead.hpp"
#include "engine/dispatch/offset_frontier.hpp"
#include "kafka/consumer.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace omnibus::engine {

/// Lives from the assignment until the last delivery is gone. Use it on the event loop only.
struct Partition {
  static constexpr auto no_limit = std::numeric_limits<OffsetFrontier::Sequence>::max();

  kafka::TopicPartition where;
  OffsetFrontier frontier;
  /// The offset of the next record to arrive, if its topic has one there; -1 if that is unknown.
  std::int64_t expected = -1;
  /// The latest of its records' leader epochs, the committed ones included; -1 if unknown.
  std::int32_t leader_epoch = -1;
  /// lane_salt() of `where`.
  std::uint64_t salt = 0;

  /// The fence's key in PostgreSQL; known once the partition is taken over.
  std::int64_t epoch = 0;
  /// Its log was cut off behind records that are not finished: what arrives before these come again is not its turn.
  bool rewinding = false;
  /// Taken over and its outbox swept: deliveries may start. Until then they are held.
  bool open = false;
  /// Lost to another worker: nothing of it may be written or committed any more.
  bool lost = false;
  /// The last commit was made to find out whether the group still counts us as a member.
  bool confirming = false;
  /// The number of that commit, or of the first one since the assignment: older ones are answers to something else.
  std::uint64_t first_valid_commit = 0;
  /// The group has confirmed us. The fence is being raised again; writes rejected until then were begun before.
  bool taking_over = false;

  /// Deliveries from here on are given back instead of started: set when it is drained.
  OffsetFrontier::Sequence drain_limit = no_limit;
  /// One past the newest delivery that was ever started.
  OffsetFrontier::Sequence started = 0;
  /// Records beyond its position that an earlier owner had finished.
  DoneAhead done_ahead;
  /// The position last sent to the broker with the number finished beyond it, and the position it acknowledged.
  std::int64_t sent = -1;
  std::size_t sent_ahead = 0;
  std::int64_t committed = -1;
  /// Its last commit was refused, perhaps because of another partition: librdkafka gives one position's error to all of
  /// the commit. Until one is acknowledged it is committed alone.
  bool refused = false;
  /// Deliveries that are neither finished nor given back.
  std::size_t alive = 0;
  std::vector<Delivery*> held;
  /// Keys that wait in the database, once these are known.
  DeferredKeys deferred;
  bool knows_deferred = false;
  /// Not fetched for now: too many of its records are open.
  bool over_share = false;

  /// Of a replay: where its window ends, and whether everything before that has arrived.
  std::int64_t end = std::numeric_limits<std::int64_t>::max();
  bool read_to_end = false;

  /// Erasures reach up to here.
  std::int64_t erased_before = 0;

  /// Where the next owner begins to read: where it was assigned as long as nothing came, 0 if nobody has ever
  /// committed.
  std::int64_t next_offset() const {
    return frontier.newest_offset() < 0 ? std::max<std::int64_t>(expected, 0) : frontier.next_offset();
  }
  bool draining() const { return drain_limit != no_limit; }
  /// Whether to continue with it: it is neither lost nor being given up.
  bool wanted() const { return !lost && !draining(); }
  /// Whether a delivery of it that does not run is given back instead of started or held.
  bool gives_back(OffsetFrontier::Sequence sequence) const {
    return lost || sequence >= drain_limit || (draining() && !open);
  }
  /// A delivery that came from a row is given back at every drain: its row stays in the database.
  bool gives_back(Delivery const& delivery) const { return delivery.row ? !wanted() : gives_back(delivery.sequence); }
  void note_started(Delivery const& delivery) {
    if (!delivery.row) started = std::max(started, delivery.sequence + 1);
  }
  /// It and all behind it are not finished here.
  void give_up_from(Delivery const& delivery) {
    drain_limit = std::min(drain_limit, delivery.row ? started : delivery.sequence);
  }
};

}  // namespace omnibus::engine
