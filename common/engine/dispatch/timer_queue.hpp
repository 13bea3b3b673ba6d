/// Deliveries that wait for a point in time.
#pragma once

#include "engine/dispatch/delivery.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace omnibus::engine {

/// Retry times of many keys behind one timer of the event loop: a binary heap, earliest first. Time is passed in. Not
/// thread-safe: use it on the event loop only.
class TimerQueue {
 public:
  void add(Clock::time_point when, Delivery& delivery) {
    heap_.push_back({when, &delivery});
    std::ranges::push_heap(heap_, later);
  }

  std::optional<Clock::time_point> earliest() const {
    return heap_.empty() ? std::nullopt : std::optional{heap_.front().when};
  }

  /// Removes one whose time has come, or returns null.
  Delivery* pop_due(Clock::time_point now) {
    if (heap_.empty() || heap_.front().when > now) return nullptr;
    std::ranges::pop_heap(heap_, later);
    auto* const due = heap_.back().delivery;
    heap_.pop_back();
    return due;
  }

  /// Removes all for which `predicate(delivery)` is true, due or not.
  template <class Predicate>
  std::vector<Delivery*> take_if(Predicate predicate) {
    std::vector<Delivery*> taken;
    std::erase_if(heap_, [&](Entry const& entry) {
      if (!predicate(*entry.delivery)) return false;
      taken.push_back(entry.delivery);
      return true;
    });
    std::ranges::make_heap(heap_, later);
    return taken;
  }

  std::size_t size() const { return heap_.size(); }

 private:
  struct Entry {
    Clock::time_point when;
    Delivery* delivery;
  };
  static bool later(Entry const& a, Entry const& b) { return a.when > b.when; }
  std::vector<Entry> heap_;
};

}  // namespace omnibus::engine
