/// A list of deliveries without allocations.
#pragma once

#include "engine/dispatch/delivery.hpp"

#include <cstddef>
#include <utility>
#include <vector>

namespace omnibus::engine {

/// A queue that is linked through its deliveries: a delivery can be in one such list at a time. Adding and taking are
/// O(1), the removal of chosen ones walks the whole list. Use it on the event loop only.
class DeliveryList {
 public:
  void push_back(Delivery& delivery) {
    delivery.queued_next = nullptr;
    (front_ == nullptr ? front_ : back_->queued_next) = &delivery;
    back_ = &delivery;
    ++size_;
  }
  void push_front(Delivery& delivery) {
    delivery.queued_next = front_;
    if (front_ == nullptr) back_ = &delivery;
    front_ = &delivery;
    ++size_;
  }
  /// Null when it is empty.
  Delivery* front() const { return front_; }
  /// The list must not be empty.
  Delivery& pop_front() {
    auto& popped = *std::exchange(front_, front_->queued_next);
    --size_;
    return popped;
  }
  /// Has the record of the first one and the delivery behind it come from memory: of thousands none is in the cache.
  void prefetch() const {
    if (front_ == nullptr) return;
    front_->record.prefetch();
    if (front_->queued_next != nullptr) prefetch_bytes(front_->queued_next, sizeof(Delivery));
  }
  /// Removes those for which `predicate(delivery)` is true and appends them to `taken`, in order.
  template <class Predicate>
  void take_if(Predicate predicate, std::vector<Delivery*>& taken) {
    auto rest = std::exchange(*this, {});
    while (rest.front_ != nullptr) {
      auto& each = rest.pop_front();
      if (predicate(each))
        taken.push_back(&each);
      else
        push_back(each);
    }
  }

  bool empty() const { return front_ == nullptr; }
  std::size_t size() const { return size_; }

 private:
  Delivery* front_ = nullptr;
  Delivery* back_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace omnibus::engine
