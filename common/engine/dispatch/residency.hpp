/// Which records are kept in memory.
#pragma once

#include "engine/dispatch/delivery.hpp"
#include "engine/dispatch/delivery_list.hpp"
#include "engine/dispatch/key_lanes.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <unordered_map>
#include <vector>

namespace omnibus::engine {

/// A record over its share is unloaded: its bytes are dropped, and its delivery stays where it is in its lane. Before
/// it starts it is read again, in runs.
///
/// A tenant may hold as many bytes of records as are free: alone half of the budget, beside another a third, and a
/// newcomer always finds room. Only half of that is for records that are not the first of their key, and of these a key
/// has at most 64 or 1 MiB once its tenant holds an eighth of what is free. What a tenant has on another route counts
/// as another tenant's. Every delivery, loaded or not, counts with its own size. Pure; use it on the event loop only.
class Residency {
 public:
  /// Beside its record: the delivery, and its entries in the frontier and the lanes.
  static constexpr std::size_t delivery_bytes = sizeof(Delivery) + 64;
  static constexpr std::size_t most_ahead = 64;
  static constexpr std::size_t most_ahead_bytes = 1 << 20;
  static constexpr std::size_t run_length = 256;
  static constexpr std::size_t run_bytes = 1 << 20;

  Residency(std::size_t max_bytes, KeyLanes& lanes) : max_bytes_{max_bytes}, lanes_{lanes} {}

  /// A delivery arrived, with its record, and is in its lane. Keeps the record, as a copy, or unloads it.
  void admit(Delivery& delivery);
  /// A delivery leaves.
  void release(Delivery& delivery);
  /// Asks for the record of an unloaded delivery.
  void want(Delivery& delivery);
  /// The first of a key is to wait for long: unloads what is loaded of its key if its tenant holds more than half of
  /// its share.
  void put_off(Delivery& head);
  /// To be called when a key has a new head: asks for the records behind it when few are left.
  void look_ahead(Delivery const& head);
  /// The first ones of their keys in this partition that wait for their records. What of it was asked for is not any
  /// more; what is being read still comes.
  std::vector<Delivery*> take_back(Partition const& partition);

  /// The next records to read: all of one tenant, the tenants taking turns. Empty when none is wanted or fits in now.
  /// Valid until it is settled; entries become null when their deliveries leave.
  std::span<Delivery* const> next_run(Clock::time_point now);
  std::size_t runs() const { return runs_.size(); }
  /// Of the oldest run.
  std::span<Delivery* const> oldest_run() const { return runs_.front(); }
  void end_oldest_run() { runs_.pop_front(); }
  /// The record of a delivery in the oldest run has been read.
  void loaded(Delivery& delivery, ReceivedRecord record);
  /// It cannot be read any more.
  void gone(Delivery& delivery);
  /// It could not be read; its tenant's next run may begin at `again`.
  void failed(Delivery& delivery, Clock::time_point again);

  /// All that is held: records, those being read included, and deliveries.
  std::size_t held_bytes() const { return loaded_bytes_ + deliveries_ * delivery_bytes; }
  std::size_t loaded_bytes() const { return loaded_bytes_; }
  /// Whether deliveries alone take half of the budget: then no more should be fetched.
  bool crowded() const { return deliveries_ * delivery_bytes >= max_bytes_ / 2; }
  /// Deliveries whose records are wanted.
  std::size_t wanted() const { return wanted_; }

 private:
  struct Tenant {
    std::uint64_t id = 0;  // its account
    std::size_t loaded_bytes = 0;
    DeliveryList wanted;
    Clock::time_point not_before = Clock::time_point::min();
    bool in_turn = false;
  };

  Tenant& of(Delivery const& delivery);
  void forget_if_idle(Tenant& tenant);
  static bool is_read(Delivery const& head);
  std::size_t free_bytes() const;
  bool fits(Tenant const& tenant, std::size_t bytes) const;
  bool fits_behind(Tenant const& tenant, KeyLanes::Lane const& lane, std::size_t bytes) const;
  bool may_run(Tenant const& tenant, Clock::time_point now) const;
  void charge(Tenant& tenant, Delivery& delivery, Residence as);
  void discharge(Delivery& delivery, Residence as);
  void fill(Tenant& tenant, std::vector<Delivery*>& run);

  std::size_t const max_bytes_;
  KeyLanes& lanes_;
  std::unordered_map<std::uint64_t, Tenant> tenants_;  // a tenant does not move
  std::deque<Tenant*> turns_;                          // tenants with something wanted, and perhaps some without
  std::deque<std::vector<Delivery*>> runs_;
  std::size_t deliveries_ = 0;
  std::size_t loaded_bytes_ = 0;
  std::size_t wanted_ = 0;
};

}  // namespace omnibus::engine
