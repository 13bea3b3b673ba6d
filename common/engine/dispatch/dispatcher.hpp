/// Starts deliveries: one at a time per key, many keys at once.
#pragma once

#include "concurrency/task.hpp"
#include "engine/dispatch/delivery.hpp"
#include "engine/dispatch/dispatch.hpp"
#include "engine/dispatch/fair_queue.hpp"
#include "engine/dispatch/key_lanes.hpp"
#include "engine/dispatch/outage_gate.hpp"
#include "engine/dispatch/partition.hpp"
#include "engine/dispatch/residency.hpp"
#include "engine/dispatch/tenant.hpp"
#include "engine/dispatch/timer_queue.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace omnibus::engine {

/// How one attempt at a delivery ended.
struct Verdict {
  enum class Kind {
    done,    ///< finished: its offset may be committed
    retry,   ///< again after `delay`; its key waits
    defer,   ///< the same, outside of memory: it and those behind it leave by Processor::put_away()
    outage,  ///< again once the outage is over
    hold,    ///< again when its partition is open again
    abandon  ///< not finished, not to be retried here; no later delivery of its partition is started either
  };
  Kind kind;
  std::chrono::milliseconds delay{0};
};

/// What came of reading a record again.
struct Reread {
  enum class Kind {
    read,
    gone,   ///< retention or an operator has removed it
    failed  ///< it could not be read now
  };
  Kind kind;
  ReceivedRecord record = {};
};

/// The processor that the dispatcher calls. Called on the event loop.
class Processor : public Leaving {
 public:
  /// Whose a delivery is whose record is in memory, and what it goes through. Called for the first of a key, and for
  /// all where `has_routes` is set.
  virtual Owner owner_of(Delivery const& delivery) { return {delivery.tenant, delivery.route}; }
  /// Starts to read the records of these deliveries; the answer comes by Dispatcher::reread(), in the order of the
  /// calls.
  virtual void read_again(std::span<Delivery* const> /*run*/) {}
  /// The delivery's turn has come, but its record is gone; it leaves as finished.
  virtual void missed(Delivery& /*delivery*/) {}
  /// A deferred delivery has left the dispatch, and those of its key and partition behind it, in order; their owner may
  /// reuse them.
  virtual void put_away(std::span<Delivery* const> /*lane*/, std::chrono::milliseconds /*delay*/) {}
  /// One attempt. Must not throw.
  virtual Task<Verdict> process(Delivery& delivery) = 0;
};

/// Deliveries of one key run one after the other in the order of submit(); up to `max_in_flight` keys run at once, and
/// routes and tenants take turns (FairQueue). A delivery that waits for a retry blocks only its key and does not count
/// as in flight. Records beyond their tenant's share of memory are dropped and read again (Residency). Everything is
/// O(1) per event, except a retry's timer, which is O(log n).
class Dispatcher : public Dispatch {
 public:
  struct Settings {
    std::size_t max_in_flight = 256;
    std::chrono::milliseconds first_outage_delay{200};
    std::chrono::milliseconds longest_outage_delay{2'000};
    std::size_t max_bytes = std::numeric_limits<std::size_t>::max();          ///< of records
    std::size_t max_working_bytes = std::numeric_limits<std::size_t>::max();  ///< of what handlers hold beside them
    bool has_routes = false;  ///< deliveries of one key may take different routes
  };

  Dispatcher(boost::asio::io_context& loop, Settings settings, Processor& processor);

  void submit(Delivery& delivery) override;
  void pump() override;
  /// The records of the oldest run that Processor::read_again() was called for, in its order.
  void reread(std::vector<Reread> records);
  /// A running delivery gives its place in flight back, so that another starts, until it steps back. Then it has one
  /// again even if all are taken; the next ones start once there are free ones. Its end steps back as well.
  void step_aside(Delivery& delivery);
  void step_back(Delivery& delivery);
  /// What the handler of a running delivery holds now, beside its record: as long as a tenant has much of that, no more
  /// of its deliveries start (FairQueue).
  void work_in(Delivery& delivery, std::size_t bytes);
  bool is_free(Partition const& partition, std::uint64_t key_hash) const override {
    return partition.open && partition.wanted() && gate_.open() && (lanes_.empty() || !lanes_.holds(key_hash));
  }
  void open(Partition& partition) override;
  void close(Partition& partition) override;
  void drain(Partition& partition) override;
  void drop(Partition& partition) override;
  /// Removes the deliveries of these keys from a partition that was not open yet. They are their owner's again, those
  /// of a key in order.
  std::vector<Delivery*> take_back(Partition& partition, std::span<std::uint64_t const> key_hashes);

  std::size_t in_flight() const override { return in_flight_; }
  std::size_t queued() const override { return lanes_.queued() - in_flight_; }
  std::size_t ready() const override { return ready_.size() + residency_.wanted(); }
  std::size_t waiting_for_retry() const override { return retries_.size(); }
  std::size_t held_bytes() const override { return residency_.held_bytes(); }
  std::size_t working_bytes() const { return ready_.working_bytes(); }
  bool is_shared() const override { return ready_.is_shared(); }
  bool crowded() const override { return residency_.crowded(); }
  bool paused() const override { return !gate_.open(); }

 private:
  Task<> run();
  Delivery* next();
  void make_ready(Delivery& delivery);
  void miss(Delivery& delivery);
  bool may_start();
  void read_more();
  void settle(Delivery& delivery, Verdict verdict);
  OffsetFrontier::Sequence limit_of_drain(Partition const& partition) const;
  void leave(Delivery& delivery, bool finished);
  void put_away(Delivery& delivery, std::chrono::milliseconds delay);
  /// Takes a delivery that does not run, and those of its partition behind it, out of their lane.
  void empty_lane(Delivery& head, std::vector<Delivery*>& taken);
  Delivery* pop(Delivery& head);
  void follow(Delivery* following, Partition const* given_up = nullptr);
  void arm();
  void on_timer();

  boost::asio::io_context& loop_;
  Settings settings_;
  Processor& processor_;
  KeyLanes lanes_;
  Residency residency_;
  FairQueue ready_;
  TimerQueue retries_;
  OutageGate gate_;
  boost::asio::steady_timer timer_;
  Clock::time_point armed_for_ = Clock::time_point::max();
  std::size_t in_flight_ = 0;
  std::size_t runners_ = 0;
  std::size_t aside_ = 0;
  bool pump_posted_ = false;
};

}  // namespace omnibus::engine
