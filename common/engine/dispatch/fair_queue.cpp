#include "engine/dispatch/fair_queue.hpp"

#include <algorithm>
#include <utility>

namespace omnibus::engine {

FairQueue::Tenant& FairQueue::of(Delivery const& delivery) {
  auto& tenant = tenants_[delivery.tenant];
  tenant.id = delivery.tenant;
  return tenant;
}

void FairQueue::push(Delivery& delivery) {
  note_arrival(delivery);
  auto& tenant = of(delivery);
  tenant.ready.push_back(delivery);
  ++size_;
  join(tenant);
}

void FairQueue::push_front(Delivery& delivery) {
  auto& tenant = of(delivery);
  tenant.ready.push_front(delivery);
  ++size_;
  join(tenant);
}

Delivery* FairQueue::next(Now now) {
  while (ring_front_ != nullptr) {
    auto& tenant = *ring_front_;
    if (!tenant.ready.empty()) {
      auto const free = tenant.in_flight < max_in_flight_ - max_in_flight_ / 4 ||
                        (tenant.in_flight < max_in_flight_ && is_alone(tenant, now));
      if (free) return tenant.ready.front();
    }
    // It comes back with what is pushed, or with a place that becomes free.
    pop_ring();
    forget_if_idle(tenant);
  }
  return nullptr;
}

void FairQueue::take() {
  auto& tenant = pop_ring();
  tenant.ready.pop_front();
  --size_;
  if (!tenant.ready.empty()) join(tenant);
}

void FairQueue::started(Delivery const& delivery) {
  ++of(delivery).in_flight;
}

void FairQueue::ended(Delivery const& delivery) {
  auto& tenant = of(delivery);
  --tenant.in_flight;
  if (!tenant.ready.empty())
    join(tenant);
  else
    forget_if_idle(tenant);
}

std::vector<Delivery*> FairQueue::take_back(Partition const& partition) {
  std::vector<Delivery*> taken;
  for (auto& [id, tenant] : tenants_)
    tenant.ready.take_if([&](Delivery const& each) { return each.partition == &partition; }, taken);
  size_ -= taken.size();
  return taken;
}

void FairQueue::join(Tenant& tenant) {
  if (std::exchange(tenant.in_ring, true)) return;
  tenant.next = nullptr;
  (ring_front_ == nullptr ? ring_front_ : ring_back_->next) = &tenant;
  ring_back_ = &tenant;
}

FairQueue::Tenant& FairQueue::pop_ring() {
  auto& tenant = *std::exchange(ring_front_, ring_front_->next);
  tenant.in_ring = false;
  return tenant;
}

void FairQueue::forget_if_idle(Tenant& tenant) {
  if (tenant.ready.empty() && tenant.in_flight == 0 && !tenant.in_ring) tenants_.erase(tenant.id);
}

bool FairQueue::is_alone(Tenant const& tenant, Now now) const {
  if (tenants_.size() > 1) return false;
  auto const& other = tenant.id == newest_.tenant ? other_ : newest_;
  return other.when == Clock::time_point::min() || now() >= other.when + memory;
}

void FairQueue::note_arrival(Delivery const& delivery) {
  if (delivery.tenant != newest_.tenant) other_ = std::exchange(newest_, {delivery.tenant});
  newest_.when = std::max(newest_.when, delivery.arrived);
}

}  // namespace omnibus::engine
