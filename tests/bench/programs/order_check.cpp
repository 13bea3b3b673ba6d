#include "order_check.hpp"

#include <algorithm>
#include <bit>

namespace omnibus::bench {

OrderCheck::OrderCheck(std::size_t keys) : keys_(std::bit_ceil(2 * std::max<std::size_t>(keys, 8))) {}

OrderCheck::Key& OrderCheck::find(std::uint64_t hash) {
  if (hash == 0) hash = 1;
  if (2 * used_ >= keys_.size()) grow();
  auto const mask = keys_.size() - 1;
  for (auto i = hash & mask;; i = (i + 1) & mask) {
    auto& key = keys_[i];
    if (key.hash == hash) return key;
    if (key.hash != 0) continue;
    key.hash = hash;
    ++used_;
    return key;
  }
}

void OrderCheck::grow() {
  std::vector<Key> old(2 * keys_.size());
  old.swap(keys_);
  auto const mask = keys_.size() - 1;
  for (auto const& key : old) {
    if (key.hash == 0) continue;
    auto i = key.hash & mask;
    while (keys_[i].hash != 0) i = (i + 1) & mask;
    keys_[i] = key;
  }
}

void OrderCheck::take_begin(std::uint64_t hash, std::uint64_t number) {
  auto& key = find(hash);
  if (number < key.begun) {
    if (gaps_.erase({hash, number}) == 0) {
      ++findings_.duplicates;
    } else {
      ++findings_.distinct;
      --findings_.missing;
    }
    return;
  }
  if (number > key.ended) ++findings_.disorder;
  for (std::uint64_t skipped = key.begun; skipped < number && gaps_.size() < most_gaps; ++skipped)
    gaps_.emplace(hash, skipped);
  findings_.missing += number - key.begun;
  ++findings_.distinct;
  key.begun = static_cast<std::uint32_t>(number + 1);
}

void OrderCheck::take_end(std::uint64_t hash, std::uint64_t number) {
  auto& key = find(hash);
  key.ended = std::max(key.ended, static_cast<std::uint32_t>(number + 1));
}

void OrderCheck::put(Event const& event) {
  waiting_[put_++] = event;
  if (put_ == most_waiting) take_all();
}

void OrderCheck::take_all() {
  for (std::size_t i = 0; i != put_; ++i) __builtin_prefetch(&keys_[waiting_[i].key & (keys_.size() - 1)], 1);
  for (std::size_t i = 0; i != put_; ++i) take(waiting_[i]);
  put_ = 0;
}

void OrderCheck::take(Event const& event) {
  if (event.begins) take_begin(event.key, event.number);
  if (event.ends) take_end(event.key, event.number);
}

OrderCheck::Findings OrderCheck::findings() {
  take_all();
  return findings_;
}

}  // namespace omnibus::bench
