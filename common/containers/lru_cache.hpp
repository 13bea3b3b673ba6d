#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <unordered_map>
#include <utility>

namespace omnibus {

/// Values by key, at most `capacity` of them (one at least) and none longer than its time to live. A new one replaces
/// the least recently used one. Every operation takes constant time. Not thread-safe. Time is passed in.
template <class Key, class Value, class Hash = std::hash<Key>, class Equal = std::equal_to<Key>>
class LruCache {
 public:
  using Clock = std::chrono::steady_clock;

  LruCache(std::size_t capacity, std::chrono::milliseconds time_to_live)
      : capacity_(std::max<std::size_t>(capacity, 1)), time_to_live_(time_to_live) {}

  /// The value, which becomes the most recently used; null when there is none, or it has expired. Valid until the next
  /// `find` or `put`.
  Value* find(Key const& key, Clock::time_point now) {
    auto const found = index_.find(key);
    if (found == index_.end()) return nullptr;
    if (found->second->expires <= now) {
      entries_.erase(found->second);
      index_.erase(found);
      return nullptr;
    }
    entries_.splice(entries_.begin(), entries_, found->second);
    return &found->second->value;
  }

  /// Adds a value or replaces it; its time begins now. It is the most recently used.
  void put(Key const& key, Value value, Clock::time_point now) {
    auto const expires = now + time_to_live_;
    if (auto const found = index_.find(key); found != index_.end()) {
      found->second->value = std::move(value);
      found->second->expires = expires;
      entries_.splice(entries_.begin(), entries_, found->second);
      return;
    }
    if (entries_.size() >= capacity_) {
      index_.erase(entries_.back().key);
      entries_.pop_back();
    }
    entries_.push_front({key, std::move(value), expires});
    index_.emplace(key, entries_.begin());
  }

  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    Key key;
    Value value;
    Clock::time_point expires;
  };

  std::size_t capacity_;
  std::chrono::milliseconds time_to_live_;
  std::list<Entry> entries_;  // the most recently used first
  std::unordered_map<Key, typename std::list<Entry>::iterator, Hash, Equal> index_;
};

}  // namespace omnibus
