/// Order within a key, concurrency across keys.
#pragma once

#include "engine/dispatch/delivery.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

namespace omnibus::engine {

/// A queue for each key that has something in flight. Only the head of a queue may run; the
/// others wait behind it. Every operation is O(1). Keys are identified by a 64-bit hash: two keys that collide share a
/// queue and lose only concurrency. Not thread-safe: use it on the event loop only.
class KeyLanes {
 public:
  struct Lane {
    Delivery* head;
    Delivery* tail;
    Delivery* unread = nullptr;   ///< the first one behind the head that was not read ahead
    std::uint32_t ahead = 0;      ///< those between the head and `unread`
    std::size_t ahead_bytes = 0;  ///< of their records
  };

  /// Queues a delivery. @return true when it is the head of its key and may run now.
  bool push(Delivery& delivery) {
    delivery.next = nullptr;
    auto const [lane, is_new] = lanes_.try_emplace(delivery.key_hash, Lane{&delivery, &delivery});
    ++queued_;
    if (is_new) return true;
    lane->second.tail->next = &delivery;
    lane->second.tail = &delivery;
    return false;
  }

  /// The lane of a delivery that is queued or running; valid until the next push() or pop().
  Lane& of(Delivery const& delivery) { return lanes_.find(delivery.key_hash)->second; }

  /// The head of a key; null when nothing of it is queued or running.
  Delivery* head_of(std::uint64_t key_hash) const {
    auto const found = lanes_.find(key_hash);
    return found == lanes_.end() ? nullptr : found->second.head;
  }

  /// Removes those behind the head for which `predicate(delivery)` is true and appends them to `taken`, in order.
  template <class Predicate>
  void take_behind(Delivery& head, Predicate predicate, std::vector<Delivery*>& taken) {
    auto& lane = of(head);
    auto* before = &head;
    auto ahead = true;
    for (auto* each = head.next; each != nullptr;) {
      auto* const next = each->next;
      if (each == lane.unread) ahead = false;
      if (predicate(std::as_const(*each))) {
        if (ahead) {
          --lane.ahead;
          lane.ahead_bytes -= each->bytes;
        }
        if (each == lane.unread) lane.unread = next;
        before->next = next;
        --queued_;
        taken.push_back(each);
      } else {
        before = each;
      }
      each = next;
    }
    lane.tail = before;
  }

  /// Removes the head of a key. @return the next of its key, which may run now, or null.
  Delivery* pop(Delivery& head) {
    --queued_;
    auto const lane = lanes_.find(head.key_hash);
    if (head.next == nullptr) {
      lanes_.erase(lane);
      return nullptr;
    }
    auto& [front, tail, unread, ahead, ahead_bytes] = lane->second;
    front = head.next;
    if (front == unread) {
      unread = front->next;
    } else if (ahead > 0) {
      --ahead;
      ahead_bytes -= front->bytes;
    }
    return front;
  }

  /// Whether anything of this key is queued or running.
  bool holds(std::uint64_t key_hash) const { return lanes_.contains(key_hash); }
  bool empty() const { return lanes_.empty(); }
  /// Keys that have something queued or running.
  std::size_t keys() const { return lanes_.size(); }
  /// Deliveries queued or running, of all keys.
  std::size_t queued() const { return queued_; }

 private:
  boost::unordered_flat_map<std::uint64_t, Lane> lanes_;
  std::size_t queued_ = 0;
};

}  // namespace omnibus::engine
