#include "engine/dispatch/residency.hpp"

#include <algorithm>
#include <utility>

namespace omnibus::engine {

Residency::Tenant& Residency::of(Delivery const& delivery) {
  auto& tenant = tenants_[delivery.account()];
  tenant.id = delivery.account();
  return tenant;
}

void Residency::forget_if_idle(Tenant& tenant) {
  if (tenant.loaded_bytes == 0 && tenant.wanted.empty() && !tenant.in_turn) tenants_.erase(tenant.id);
}

std::size_t Residency::free_bytes() const {
  auto const held = held_bytes();
  return held < max_bytes_ ? max_bytes_ - held : 0;
}

/// Nothing is kept behind a record that is not in memory: it could take the bytes that this one waits for.
bool Residency::is_read(Delivery const& head) {
  return head.residence == Residence::loaded || head.residence == Residence::loading;
}

/// A tenant that holds nothing may always hold one record while the budget is not used up.
bool Residency::fits(Tenant const& tenant, std::size_t bytes) const {
  if (loaded_bytes_ == 0) return true;
  return tenant.loaded_bytes == 0 ? free_bytes() > 0 : tenant.loaded_bytes + bytes <= free_bytes();
}

bool Residency::fits_behind(Tenant const& tenant, KeyLanes::Lane const& lane, std::size_t bytes) const {
  auto const held = tenant.loaded_bytes + bytes;
  auto const few = lane.ahead < most_ahead && lane.ahead_bytes + bytes <= most_ahead_bytes;
  return held <= free_bytes() / (few ? 2 : 8);
}

/// Not as soon as one record fits in: each run would be a single one.
bool Residency::may_run(Tenant const& tenant, Clock::time_point now) const {
  if (now < tenant.not_before) return false;
  return loaded_bytes_ == 0 || (tenant.loaded_bytes == 0 ? free_bytes() > 0 : tenant.loaded_bytes <= free_bytes() / 2);
}

void Residency::charge(Tenant& tenant, Delivery& delivery, Residence as) {
  delivery.residence = as;
  tenant.loaded_bytes += delivery.bytes;
  loaded_bytes_ += delivery.bytes;
}

void Residency::discharge(Delivery& delivery, Residence as) {
  auto& tenant = of(delivery);
  delivery.residence = as;
  delivery.record.reset();
  tenant.loaded_bytes -= delivery.bytes;
  loaded_bytes_ -= delivery.bytes;
  forget_if_idle(tenant);
}

void Residency::admit(Delivery& delivery) {
  ++deliveries_;
  auto& tenant = of(delivery);
  auto& lane = lanes_.of(delivery);
  auto const is_head = lane.head == &delivery;
  auto const stays = is_head
                         ? tenant.wanted.empty() && fits(tenant, delivery.bytes)
                         : lane.unread == nullptr && is_read(*lane.head) && fits_behind(tenant, lane, delivery.bytes);
  if (!is_head && stays) {
    ++lane.ahead;
    lane.ahead_bytes += delivery.bytes;
  } else if (!is_head && lane.unread == nullptr) {
    lane.unread = &delivery;
  }
  if (stays) {
    delivery.record.copy();
    charge(tenant, delivery, Residence::loaded);
  } else {
    delivery.record.reset();
    delivery.residence = Residence::unloaded;
    forget_if_idle(tenant);
  }
}

void Residency::release(Delivery& delivery) {
  --deliveries_;
  switch (delivery.residence) {
    case Residence::loaded:
      return discharge(delivery, Residence::unloaded);
    case Residence::loading:
      for (auto& run : runs_) std::ranges::replace(run, &delivery, nullptr);
      return discharge(delivery, Residence::unloaded);
    case Residence::wanted: {
      std::vector<Delivery*> taken;
      auto& tenant = of(delivery);
      tenant.wanted.take_if([&](Delivery const& each) { return &each == &delivery; }, taken);
      wanted_ -= taken.size();
      return forget_if_idle(tenant);
    }
    default:
      if (auto const found = tenants_.find(delivery.account()); found != tenants_.end()) forget_if_idle(found->second);
  }
}

void Residency::want(Delivery& delivery) {
  auto& tenant = of(delivery);
  delivery.residence = Residence::wanted;
  tenant.wanted.push_back(delivery);
  ++wanted_;
  if (!std::exchange(tenant.in_turn, true)) turns_.push_back(&tenant);
}

void Residency::put_off(Delivery& head) {
  if (head.residence != Residence::loaded || of(head).loaded_bytes <= free_bytes() / 2) return;
  auto& lane = lanes_.of(head);
  for (auto* each = head.next; each != lane.unread; each = each->next)
    if (each->residence == Residence::loaded) discharge(*each, Residence::unloaded);
  lane.unread = head.next;
  lane.ahead = 0;
  lane.ahead_bytes = 0;
  discharge(head, Residence::unloaded);
}

void Residency::look_ahead(Delivery const& head) {
  auto const& lane = lanes_.of(head);
  if (lane.unread == nullptr || lane.unread->residence != Residence::unloaded) return;
  if (lane.ahead <= most_ahead / 2 && lane.ahead_bytes <= most_ahead_bytes / 2) want(*lane.unread);
}

std::vector<Delivery*> Residency::take_back(Partition const& partition) {
  std::vector<Delivery*> taken;
  for (auto& [id, tenant] : tenants_)
    tenant.wanted.take_if([&](Delivery const& each) { return each.partition == &partition; }, taken);
  wanted_ -= taken.size();
  for (auto* const each : taken) each->residence = Residence::unloaded;
  for (auto const& run : runs_)
    for (auto* const each : run)
      if (each != nullptr && each->partition == &partition) taken.push_back(each);
  std::erase_if(taken, [](Delivery const* each) { return !each->stalled; });
  return taken;
}

std::span<Delivery* const> Residency::next_run(Clock::time_point now) {
  constexpr std::size_t most_tries = 8;
  auto const before = runs_.size();
  for (auto tries = std::min(turns_.size(), most_tries); tries > 0; --tries) {
    auto& tenant = *turns_.front();
    turns_.pop_front();
    tenant.in_turn = false;
    if (tenant.wanted.empty()) {
      forget_if_idle(tenant);
      continue;
    }
    if (may_run(tenant, now)) {
      fill(tenant, runs_.emplace_back());
      if (runs_.back().empty()) runs_.pop_back();
    }
    if (!tenant.wanted.empty()) {
      tenant.in_turn = true;
      turns_.push_back(&tenant);
    }
    if (runs_.size() > before) return runs_.back();
  }
  return {};
}

void Residency::fill(Tenant& tenant, std::vector<Delivery*>& run) {
  std::size_t bytes = 0;
  auto const add = [&](Delivery& delivery) {
    charge(of(delivery), delivery, Residence::loading);  // of a key, each has its own route
    run.push_back(&delivery);
    bytes += delivery.bytes;
  };
  auto const full = [&](Delivery const& delivery) {
    return run.size() >= run_length || (!run.empty() && bytes + delivery.bytes > run_bytes);
  };
  while (!tenant.wanted.empty()) {
    auto& delivery = *tenant.wanted.front();
    if (full(delivery) || !fits(tenant, delivery.bytes)) return;
    tenant.wanted.pop_front();
    --wanted_;
    add(delivery);
    auto& lane = lanes_.of(delivery);
    for (auto*& next = lane.unread; next != nullptr; next = next->next) {
      auto const reads = next->residence == Residence::unloaded;
      if (reads && (full(*next) || !fits_behind(tenant, lane, next->bytes))) break;
      ++lane.ahead;
      lane.ahead_bytes += next->bytes;
      if (reads) add(*next);
    }
  }
}

void Residency::loaded(Delivery& delivery, ReceivedRecord record) {
  delivery.record = std::move(record);
  delivery.residence = Residence::loaded;
}

void Residency::gone(Delivery& delivery) {
  discharge(delivery, Residence::gone);
}

void Residency::failed(Delivery& delivery, Clock::time_point again) {
  discharge(delivery, Residence::unloaded);
  of(delivery).not_before = again;
}

}  // namespace omnibus::engine
