/// What decides when a delivery is worked on.
#pragma once

#include "engine/dispatch/delivery.hpp"
#include "engine/dispatch/partition.hpp"

#include <cstddef>
#include <cstdint>

namespace omnibus::engine {

/// Takes deliveries in the order of their arrival and has them worked on in an order of its own kind: one at a time per
/// key (Dispatcher) or many together (BatchDispatcher). Belongs to the event loop, which must outlive it.
class Dispatch {
 public:
  Dispatch() = default;
  Dispatch(Dispatch const&) = delete;
  Dispatch& operator=(Dispatch const&) = delete;
  virtual ~Dispatch() = default;

  /// Queues a delivery. Call pump() after a batch of them.
  virtual void submit(Delivery& delivery) = 0;
  /// Starts as many as may start.
  virtual void pump() = 0;
  /// Whether an event of this key that waits for nothing may be handled on the spot instead of being submitted.
  virtual bool is_free(Partition const& partition, std::uint64_t key_hash) const = 0;

  /// Lets a partition's held deliveries start.
  virtual void open(Partition& partition) = 0;
  /// Holds what has not started, in its order, until the partition is opened again.
  virtual void close(Partition& partition) = 0;
  /// Gives back what lies behind the newest delivery that was ever started, so that what is finished leaves no gap, and
  /// tries at once what waits for a retry. What fails once more is given back too, with all that lies behind it.
  virtual void drain(Partition& partition) = 0;
  /// Gives back everything of this partition that is not running: it is lost.
  virtual void drop(Partition& partition) = 0;

  /// Deliveries that are worked on.
  virtual std::size_t in_flight() const = 0;
  /// Deliveries that are not.
  virtual std::size_t queued() const = 0;
  /// Those of them that wait for nothing but their turn.
  virtual std::size_t ready() const = 0;
  virtual std::size_t waiting_for_retry() const = 0;
  /// Whether an outage keeps deliveries from starting.
  virtual bool paused() const = 0;
};

/// Whom a dispatch hands deliveries back to.
class Leaving {
 public:
  virtual ~Leaving() = default;
  /// The delivery left the dispatch and is its owner's to re-use. Called on the event loop.
  virtual void left(Delivery& delivery, bool finished) = 0;
};

}  // namespace omnibus::engine
