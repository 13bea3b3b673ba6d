#include "engine/dispatch/deferred_keys.hpp"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

namespace omnibus::engine {

DeferredKeys::Place DeferredKeys::place_of(Delivery const& delivery, OffsetFrontier const& frontier) {
  Place place;
  place.key_hash = delivery.key_hash;
  place.bytes = delivery.bytes;
  place.attempts = delivery.attempts;
  place.deferrals = delivery.deferrals;
  place.arrived = delivery.arrived;
  place.first_failed = delivery.first_failed;
  if (delivery.row) {
    place.row = *delivery.row;
  } else {
    place.row = {frontier.offset_of(delivery.sequence), frontier.timestamp_of(delivery.sequence)};
    place.sequence = delivery.sequence;
  }
  return place;
}

void DeferredKeys::set(Key& key, Key::State state) {
  if (key.state != Key::State::waiting) --active_;
  key.state = state;
  if (state != Key::State::waiting) ++active_;
}

void DeferredKeys::set_rows(Key& key, std::size_t rows) {
  rows_ = rows_ - key.rows + rows;
  key.rows = rows;
}

void DeferredKeys::erase(std::uint64_t key_hash) {
  auto const found = keys_.find(key_hash);
  set(found->second, Key::State::waiting);
  set_rows(found->second, 0);
  keys_.erase(found);
}

void DeferredKeys::wait(Key& key, std::uint64_t key_hash, Clock::time_point due) {
  set(key, Key::State::waiting);
  key.due = due;
  due_.push({due, key_hash});
}

void DeferredKeys::wait(std::uint64_t key_hash, Clock::time_point due) {
  auto& key = keys_[key_hash];
  key.probes = true;
  if (key.state == Key::State::loading) {
    key.due = due;
    key.put_off = true;
    return;
  }
  wait(key, key_hash, due);
}

void DeferredKeys::adopt(std::uint64_t key_hash, Clock::time_point due, std::size_t rows, Clock::time_point arrived) {
  auto const [found, is_new] = keys_.try_emplace(key_hash);
  if (!is_new) return;
  wait(found->second, key_hash, due);
  found->second.arrived = arrived;
  set_rows(found->second, rows);
}

Clock::time_point DeferredKeys::oldest() const {
  auto oldest = Clock::time_point::max();
  for (auto const& [key_hash, key] : keys_) oldest = std::min(oldest, key.arrived);
  return oldest;
}

DeferredKeys::Arrival DeferredKeys::arrive(std::uint64_t key_hash) const {
  auto const& key = keys_.at(key_hash);
  if (key.state == Key::State::ending) return Arrival::lane;
  auto const fits = key.late.size() < most_late && key.late_bytes < most_late_bytes;
  return key.state == Key::State::loading && !key.overflowed && fits ? Arrival::late : Arrival::row;
}

void DeferredKeys::append(Place place) {
  auto& key = keys_.at(place.key_hash);
  place.due = key.due;
  key.arrived = std::min(key.arrived, place.arrived);
  key.overflowed = key.state == Key::State::loading;
  ++key.unwritten;
  unwritten_.push_back(place);
}

void DeferredKeys::keep_late(Delivery& delivery) {
  auto& key = keys_.at(delivery.key_hash);
  key.late.push_back(&delivery);
  key.late_bytes += delivery.bytes;
}

std::vector<Delivery*> DeferredKeys::take_late(std::uint64_t key_hash) {
  auto& key = keys_.at(key_hash);
  key.late_bytes = 0;
  return std::exchange(key.late, {});
}

std::vector<DeferredKeys::Place> DeferredKeys::take_unwritten(std::size_t most) {
  if (unwritten_.size() <= most) return std::exchange(unwritten_, {});
  auto const end = unwritten_.begin() + static_cast<std::ptrdiff_t>(most);
  std::vector<Place> taken{unwritten_.begin(), end};
  unwritten_.erase(unwritten_.begin(), end);
  return taken;
}

void DeferredKeys::written(std::span<Place const> places) {
  for (auto const& place : places) {
    auto const found = keys_.find(place.key_hash);
    if (found == keys_.end()) continue;
    --found->second.unwritten;
    if (place.sequence) set_rows(found->second, found->second.rows + 1);
  }
}

void DeferredKeys::not_written(std::vector<Place> places) {
  places.insert(places.end(), unwritten_.begin(), unwritten_.end());
  unwritten_ = std::move(places);
}

std::vector<DeferredKeys::Load> DeferredKeys::begin_loads(Clock::time_point now, std::size_t most) {
  std::vector<Load> loads;
  std::vector<Due> unready;
  while (loads.size() < most && !due_.empty() && due_.top().when <= now) {
    auto const due = due_.top();
    due_.pop();
    auto const found = keys_.find(due.key_hash);
    // It has been put off since, or begun.
    if (found == keys_.end() || found->second.state != Key::State::waiting || found->second.due != due.when) continue;
    auto& key = found->second;
    if (key.unwritten > 0 || key.loaded > 0) {
      unready.push_back(due);
      continue;
    }
    set(key, Key::State::loading);
    loads.push_back({due.key_hash, key.probes ? 1 : most_rows});
  }
  for (auto const& each : unready) due_.push(each);
  return loads;
}

DeferredKeys::Loaded DeferredKeys::end_load(std::uint64_t key_hash, std::size_t rows, bool more,
                                            Clock::time_point retry) {
  auto& key = keys_.at(key_hash);
  Loaded loaded;
  loaded.late = take_late(key_hash);
  auto const overflowed = std::exchange(key.overflowed, false);
  if (std::exchange(key.put_off, false) || (rows == 0 && more)) {
    loaded.submit = false;
    wait(key, key_hash, std::max(key.due, retry));
    return loaded;
  }
  loaded.last = !more && !overflowed;
  if (loaded.last) set_rows(key, rows);
  key.loaded = static_cast<std::uint32_t>(rows);
  key.probes = false;
  if (rows > 0)
    set(key, loaded.last ? Key::State::ending : Key::State::running);
  else if (loaded.last)
    erase(key_hash);
  else
    wait(key, key_hash, retry);
  return loaded;
}

void DeferredKeys::left(std::uint64_t key_hash, bool finished, Clock::time_point now) {
  auto const found = keys_.find(key_hash);
  if (found == keys_.end()) return;
  auto& key = found->second;
  --key.loaded;
  if (finished && key.rows > 0) set_rows(key, key.rows - 1);
  if (key.loaded > 0) return;
  if (key.state == Key::State::ending)
    erase(key_hash);
  else if (key.state == Key::State::running)
    wait(key, key_hash, now);
}

std::vector<PartitionLoad> begin_loads(std::span<DeferredKeys* const> partitions, Clock::time_point now,
                                       std::size_t most) {
  std::vector<PartitionLoad> loads;
  std::vector<std::size_t> having(partitions.size());
  std::iota(having.begin(), having.end(), 0);
  while (most > 0 && !having.empty()) {
    auto const share = std::max<std::size_t>(most / having.size(), 1);
    std::vector<std::size_t> have_more;
    for (auto const each : having) {
      auto const begun = partitions[each]->begin_loads(now, std::min(share, most));
      for (auto const& load : begun) loads.push_back({each, load});
      most -= begun.size();
      if (begun.size() == share) have_more.push_back(each);
    }
    having = std::move(have_more);
  }
  return loads;
}

}  // namespace omnibus::engine
