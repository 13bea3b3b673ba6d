#include "engine/dispatch/fair_queue.hpp"

#include <algorithm>
#include <utility>

namespace omnibus::engine {

FairQueue::Line& FairQueue::of(Delivery const& delivery) {
  auto& tenant = tenants_[delivery.tenant];
  auto const [found, is_new] = tenant.lines.try_emplace(delivery.route);
  auto& line = found->second;
  if (is_new) {
    auto& route = routes_[delivery.route];
    tenant.id = delivery.tenant;
    route.id = delivery.route;
    ++route.lines;
    line.tenant = &tenant;
    line.route = &route;
  }
  return line;
}

void FairQueue::push(Delivery& delivery) {
  tenants_seen_.note(delivery.tenant, delivery.arrived);
  routes_seen_.note(delivery.route, delivery.arrived);
  auto& line = of(delivery);
  line.ready.push_back(delivery);
  ++size_;
  join(line);
}

void FairQueue::push_front(Delivery& delivery) {
  auto& line = of(delivery);
  line.ready.push_front(delivery);
  ++size_;
  join(line);
}

Delivery* FairQueue::next(Now now) {
  while (auto* const route = ring_.front) {
    // What leaves a ring comes back with what is pushed, or with a place that becomes free.
    while (route->ring.front != nullptr && has_place(*route, now)) {
      auto& line = *route->ring.front;
      if (!line.ready.empty() && has_place(*line.tenant, now) && has_memory(*line.tenant)) return line.ready.front();
      route->ring.pop();
      forget_if_idle(line);
    }
    ring_.pop();
    forget_if_idle(*route);
  }
  return nullptr;
}

void FairQueue::take() {
  auto& route = ring_.pop();
  auto& line = route.ring.pop();
  line.ready.pop_front();
  line.ready.prefetch();
  --size_;
  if (!line.ready.empty())
    join(line);
  else if (route.ring.front != nullptr)
    ring_.join(route);
}

void FairQueue::drop() {
  auto& line = *ring_.front->ring.front;
  take();
  forget_if_idle(line);
}

void FairQueue::started(Delivery& delivery) {
  auto& line = of(delivery);
  account(*line.tenant, delivery, expected_bytes_);
  ++line.in_flight;
  ++line.tenant->in_flight;
  ++line.route->in_flight;
}

void FairQueue::ended(Delivery& delivery) {
  auto& line = of(delivery);
  account(*line.tenant, delivery, 0);
  --line.in_flight;
  --line.tenant->in_flight;
  --line.route->in_flight;
  if (line.route->ring.front != nullptr) ring_.join(*line.route);
  rejoin(*line.tenant);
  forget_if_idle(line);
}

void FairQueue::work_in(Delivery& delivery, std::size_t bytes) {
  account(*of(delivery).tenant, delivery, bytes);
  expected_bytes_ = std::max<std::size_t>(delivery.working_bytes, expected_bytes_ - expected_bytes_ / 16);
}

void FairQueue::account(Tenant& tenant, Delivery& delivery, std::size_t bytes) {
  auto const before = delivery.working_bytes;
  delivery.working_bytes = static_cast<std::uint32_t>(std::min<std::size_t>(bytes, UINT32_MAX));
  tenant.working_bytes += delivery.working_bytes - std::size_t{before};
  working_bytes_ += delivery.working_bytes - std::size_t{before};
  if (delivery.working_bytes >= before || !std::exchange(short_of_memory_, false)) return;
  for (auto& [id, each] : tenants_) rejoin(each);
}

void FairQueue::step_aside(Delivery const& delivery) {
  auto& tenant = *of(delivery).tenant;
  --tenant.in_flight;
  rejoin(tenant);
}

void FairQueue::step_back(Delivery const& delivery) {
  ++of(delivery).tenant->in_flight;
}

std::vector<Delivery*> FairQueue::take_back(Partition const& partition) {
  std::vector<Delivery*> taken;
  for (auto& [id, tenant] : tenants_)
    for (auto& [route, line] : tenant.lines) {
      auto const before = taken.size();
      line.ready.take_if([&](Delivery const& each) { return each.partition == &partition; }, taken);
      if (taken.size() != before) join(line);  // next() forgets it if it is idle now
    }
  size_ -= taken.size();
  return taken;
}

void FairQueue::join(Line& line) {
  line.route->ring.join(line);
  ring_.join(*line.route);
}

void FairQueue::rejoin(Tenant& tenant) {
  for (auto& [route, line] : tenant.lines)
    if (!line.ready.empty()) join(line);
}

bool FairQueue::has_place(Tenant const& tenant, Now now) const {
  if (tenant.in_flight < max_in_flight_ - max_in_flight_ / 4) return true;
  return tenant.in_flight < max_in_flight_ && tenants_.size() == 1 && tenants_seen_.alone(tenant.id, now);
}

/// A tenant that holds nothing may always start one while the budget is not used up.
bool FairQueue::has_memory(Tenant const& tenant) {
  auto const free = working_bytes_ < max_working_bytes_ ? max_working_bytes_ - working_bytes_ : 0;
  auto const fits = tenant.working_bytes == 0 ? free > 0 : tenant.working_bytes + expected_bytes_ <= free;
  if (fits || working_bytes_ == 0) return true;
  short_of_memory_ = true;
  return false;
}

bool FairQueue::has_place(Route const& route, Now now) const {
  if (route.in_flight < max_in_flight_ - max_in_flight_ / 4) return true;
  return route.in_flight < max_in_flight_ && routes_.size() == 1 && routes_seen_.alone(route.id, now);
}

void FairQueue::forget_if_idle(Line& line) {
  if (!line.ready.empty() || line.in_flight > 0 || line.in_ring) return;
  auto& tenant = *line.tenant;
  auto& route = *line.route;
  tenant.lines.erase(route.id);
  --route.lines;
  if (tenant.lines.empty()) tenants_.erase(tenant.id);
  forget_if_idle(route);
}

void FairQueue::forget_if_idle(Route& route) {
  if (route.lines == 0 && !route.in_ring) routes_.erase(route.id);
}

void FairQueue::Seen::note(std::uint64_t id, Clock::time_point when) {
  if (id != newest_.id) other_ = std::exchange(newest_, {id});
  newest_.when = std::max(newest_.when, when);
}

bool FairQueue::Seen::alone(std::uint64_t id, Now now) const {
  auto const& other = id == newest_.id ? other_ : newest_;
  return other.when == Clock::time_point::min() || now() >= other.when + memory;
}

}  // namespace omnibus::engine
