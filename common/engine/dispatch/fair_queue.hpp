/// Whose delivery starts next.
#pragma once

#include "engine/dispatch/delivery.hpp"
#include "engine/dispatch/delivery_list.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace omnibus::engine {

/// Deliveries that may start, by tenant; the tenants take turns. What is scarce is a place in flight, and each delivery
/// costs one: deficit round-robin with equal costs is a plain round. A tenant has at most three quarters of the places
/// while others are there or were within the last minute, so that one is nearly always free for whoever comes second.
/// A tenant that is alone has them all. Pushing and taking are O(1) amortised. Use it on the event loop only.
class FairQueue {
 public:
  using Now = Clock::time_point (*)();               ///< asked only where the time matters
  static constexpr std::chrono::seconds memory{60};  ///< how long a tenant counts as there

  explicit FairQueue(std::size_t max_in_flight) : max_in_flight_{max_in_flight} {}

  void push(Delivery& delivery);
  /// Before the others of its tenant.
  void push_front(Delivery& delivery);

  /// The delivery whose turn it is; null when there is none, or only of tenants that have all their places.
  Delivery* next(Now now);
  /// Removes what next() returned; to be called right after it.
  void take();
  /// The delivery now holds a place of its tenant, until ended().
  void started(Delivery const& delivery);
  void ended(Delivery const& delivery);

  /// Removes those of a partition, of each tenant in their order.
  std::vector<Delivery*> take_back(Partition const& partition);

  /// Whether deliveries of several tenants have been seen.
  bool is_shared() const { return other_.when != Clock::time_point::min(); }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  struct Tenant {
    std::uint64_t id = 0;
    DeliveryList ready;
    std::size_t in_flight = 0;
    Tenant* next = nullptr;  // in the ring
    bool in_ring = false;
  };
  struct Seen {
    std::uint64_t tenant = 0;
    Clock::time_point when = Clock::time_point::min();
  };

  Tenant& of(Delivery const& delivery);
  void join(Tenant& tenant);
  Tenant& pop_ring();
  void forget_if_idle(Tenant& tenant);
  bool is_alone(Tenant const& tenant, Now now) const;
  void note_arrival(Delivery const& delivery);

  std::size_t const max_in_flight_;
  std::unordered_map<std::uint64_t, Tenant> tenants_;  // a tenant does not move
  // Tenants that may have a turn: all that have something ready and a place for it, and perhaps some that have not.
  Tenant* ring_front_ = nullptr;
  Tenant* ring_back_ = nullptr;
  std::size_t size_ = 0;
  // The tenant of the newest arrival, and the newest arrival of any other.
  Seen newest_;
  Seen other_;
};

}  // namespace omnibus::engine
