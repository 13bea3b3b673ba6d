/// Whose delivery starts next.
#pragma once

#include "engine/dispatch/delivery.hpp"
#include "engine/dispatch/delivery_list.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

namespace omnibus::engine {

/// Deliveries that may start, by route and tenant. The routes take turns, and on each route its tenants. What is scarce
/// is a place in flight, and each delivery costs one: deficit round-robin with equal costs is a plain round. A route
/// and a tenant have at most three quarters of the places while others are there or were within the last minute, so
/// that one is nearly always free for whoever comes second. One that is alone has them all. A delivery that steps aside
/// leaves its tenant's place to others and keeps its route's, which bounds how many do.
///
/// Memory that handlers work in is bounded as that of records is (Residency): a tenant starts nothing more once it
/// holds as many bytes as are free. What a handler will need is not known when it starts; until it says so, it counts
/// as much as the largest of the last ones.
///
/// Pushing and taking are O(1) amortised, and O(tenants) after memory was short. Use it on the event loop only.
class FairQueue {
 public:
  using Now = Clock::time_point (*)();               ///< asked only where the time matters
  static constexpr std::chrono::seconds memory{60};  ///< how long a tenant or a route counts as there

  explicit FairQueue(std::size_t max_in_flight, std::size_t max_working_bytes = std::numeric_limits<std::size_t>::max())
      : max_in_flight_{max_in_flight}, max_working_bytes_{max_working_bytes} {}

  void push(Delivery& delivery);
  /// Before the others of its tenant on its route.
  void push_front(Delivery& delivery);

  /// The delivery whose turn it is; null when there is none, or only of tenants and routes that have all their places,
  /// or all their memory.
  Delivery* next(Now now);
  /// Removes what next() returned; to be called right after it.
  void take();
  /// The same for a delivery that does not start.
  void drop();
  /// The delivery now holds a place of its tenant and of its route, until ended().
  void started(Delivery& delivery);
  void ended(Delivery& delivery);
  /// What the handler of a started delivery holds now.
  void work_in(Delivery& delivery, std::size_t bytes);
  /// A started delivery gives its tenant's place back, and takes it again, free or not.
  void step_aside(Delivery const& delivery);
  void step_back(Delivery const& delivery);

  /// Removes those of a partition, of each tenant and route in their order.
  std::vector<Delivery*> take_back(Partition const& partition);

  /// Whether deliveries of several tenants have been seen.
  bool is_shared() const { return tenants_seen_.several(); }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  /// What handlers hold, as they say or as is expected of them.
  std::size_t working_bytes() const { return working_bytes_; }

 private:
  template <class Each>
  struct Ring {
    void join(Each& each) {
      if (std::exchange(each.in_ring, true)) return;
      each.next = nullptr;
      (front == nullptr ? front : back->next) = &each;
      back = &each;
    }
    Each& pop() {
      auto& popped = *std::exchange(front, front->next);
      popped.in_ring = false;
      return popped;
    }
    Each* front = nullptr;
    Each* back = nullptr;
  };
  struct Tenant;
  struct Route;
  // What a tenant has on a route. It is in the ring of its route if it may have a turn, and perhaps if it may not.
  struct Line {
    Tenant* tenant = nullptr;
    Route* route = nullptr;
    DeliveryList ready;
    std::size_t in_flight = 0;
    Line* next = nullptr;
    bool in_ring = false;
  };
  struct Tenant {
    std::uint64_t id = 0;
    std::size_t in_flight = 0;
    std::size_t working_bytes = 0;
    std::map<std::uint32_t, Line> lines;  // by route; a line does not move
  };
  struct Route {
    std::uint32_t id = 0;
    std::size_t in_flight = 0;
    std::size_t lines = 0;
    Ring<Line> ring;
    Route* next = nullptr;
    bool in_ring = false;
  };
  // The newest arrival, and the newest of any other tenant or route.
  class Seen {
   public:
    void note(std::uint64_t id, Clock::time_point when);
    bool several() const { return other_.when != Clock::time_point::min(); }
    bool alone(std::uint64_t id, Now now) const;

   private:
    struct Arrival {
      std::uint64_t id = 0;
      Clock::time_point when = Clock::time_point::min();
    };
    Arrival newest_;
    Arrival other_;
  };

  Line& of(Delivery const& delivery);
  void join(Line& line);
  void rejoin(Tenant& tenant);
  bool has_place(Tenant const& tenant, Now now) const;
  bool has_place(Route const& route, Now now) const;
  bool has_memory(Tenant const& tenant);
  void account(Tenant& tenant, Delivery& delivery, std::size_t bytes);
  void forget_if_idle(Line& line);
  void forget_if_idle(Route& route);

  std::size_t const max_in_flight_;
  std::size_t const max_working_bytes_;
  std::unordered_map<std::uint64_t, Tenant> tenants_;  // neither a tenant nor a route moves
  std::unordered_map<std::uint32_t, Route> routes_;
  Ring<Route> ring_;
  std::size_t size_ = 0;
  std::size_t working_bytes_ = 0;
  std::size_t expected_bytes_ = 0;  // of a handler that has just started
  bool short_of_memory_ = false;    // some tenants have left their rings for want of it
  Seen tenants_seen_;
  Seen routes_seen_;
};

}  // namespace omnibus::engine
