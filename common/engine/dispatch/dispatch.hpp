/// Decides when a delivery is handled.
#pragma once

#include "engine/dispatch/delivery.hpp"
#include "engine/dispatch/partition.hpp"

#include <cstddef>
#include <cstdint>

namespace omnibus::engine {

/// Schedules deliveries in the order of their arrival: one at a time per key (Dispatcher), or in batches
/// (BatchDispatcher). Use it on the event loop only; the loop must outlive it.
class Dispatch {
 public:
  Dispatch() = default;
  Dispatch(Dispatch const&) = delete;
  Dispatch& operator=(Dispatch const&) = delete;
  virtual ~Dispatch() = default;

  /// Queues a delivery. Call pump() after a batch of them.
  virtual void submit(Delivery& delivery) = 0;
  /// Starts as many deliveries as may start.
  virtual void pump() = 0;
  /// Whether an event of this key that is not a retry may be handled immediately instead of being submitted.
  virtual bool is_free(Partition const& partition, std::uint64_t key_hash) const = 0;

  /// Lets a partition's held deliveries start.
  virtual void open(Partition& partition) = 0;
  /// Holds deliveries that have not started, in order, until the partition is opened again.
  virtual void close(Partition& partition) = 0;
  /// Gives back deliveries behind the newest one that was ever started, so that finished ones leave no gap; where that
  /// leaves a long backlog, all that do not run. Tries deliveries that wait for a retry at once. One that fails again
  /// is given back too, with all deliveries behind it.
  virtual void drain(Partition& partition) = 0;
  /// Gives back every delivery of this lost partition that is not running.
  virtual void drop(Partition& partition) = 0;

  /// Deliveries that are running.
  virtual std::size_t in_flight() const = 0;
  /// Deliveries that are not running.
  virtual std::size_t queued() const = 0;
  /// Those of them that only wait for their turn, or for their records to be read again.
  virtual std::size_t ready() const = 0;
  virtual std::size_t waiting_for_retry() const = 0;
  /// Bytes that its deliveries and their records take.
  virtual std::size_t held_bytes() const = 0;
  /// Whether there are so many deliveries that no more should be fetched, however small they are.
  virtual bool crowded() const { return false; }
  /// Whether deliveries of several tenants have been seen, who take turns.
  virtual bool is_shared() const { return false; }
  /// Whether an outage prevents deliveries from starting.
  virtual bool paused() const = 0;
};

/// Receives deliveries that leave the dispatch.
class Leaving {
 public:
  virtual ~Leaving() = default;
  /// The delivery left the dispatch; its owner may reuse it. Called on the event loop.
  virtual void left(Delivery& delivery, bool finished) = 0;
};

}  // namespace omnibus::engine
