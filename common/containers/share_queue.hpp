/// A queue in which several parties take turns.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace omnibus {

/// First come, first served within a share; the shares that have something take turns. O(1). Not thread-safe.
template <class Item>
class ShareQueue {
 public:
  void push(std::string_view share, Item item) {
    auto& queue = shares_[std::string{share}];
    if (queue.empty()) turns_.emplace_back(share);
    queue.push_back(std::move(item));
    ++size_;
  }

  /// Only when it is not empty.
  Item pop() {
    auto share = std::move(turns_.front());
    turns_.pop_front();
    auto const found = shares_.find(share);
    auto item = std::move(found->second.front());
    found->second.pop_front();
    --size_;
    if (found->second.empty())
      shares_.erase(found);
    else
      turns_.push_back(std::move(share));
    return item;
  }

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  std::size_t size(std::string_view share) const {
    auto const found = shares_.find(std::string{share});
    return found == shares_.end() ? 0 : found->second.size();
  }

 private:
  std::unordered_map<std::string, std::deque<Item>> shares_;
  std::deque<std::string> turns_;
  std::size_t size_ = 0;
};

}  // namespace omnibus
