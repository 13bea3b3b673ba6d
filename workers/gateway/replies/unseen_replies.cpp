#include "workers/gateway/replies/unseen_replies.hpp"

#include <algorithm>
#include <utility>

namespace omnibus::gateway {

UnseenReplies::UnseenReplies(std::size_t capacity, std::chrono::milliseconds time_to_live)
    : capacity_(capacity == 0 ? 1 : capacity), time_to_live_(time_to_live) {}

UnseenReplies::Entries::iterator UnseenReplies::find_valid(Uuid const& conversation_id, Clock::time_point now) {
  auto const found = index_.find(conversation_id);
  if (found == index_.end()) return entries_.end();
  if (found->second->expires > now) return found->second;
  entries_.erase(found->second);
  index_.erase(found);
  return entries_.end();
}

void UnseenReplies::posted(Uuid const& conversation_id, std::string domain, std::uint64_t sequence,
                           Clock::time_point now) {
  if (auto const entry = find_valid(conversation_id, now); entry != entries_.end()) {
    entry->expires = now + time_to_live_;
    entries_.splice(entries_.begin(), entries_, entry);
    return;
  }
  if (entries_.size() >= capacity_) {
    index_.erase(entries_.back().conversation_id);
    entries_.pop_back();
  }
  entries_.push_front({conversation_id, Mark{std::move(domain), sequence}, now + time_to_live_});
  index_[conversation_id] = entries_.begin();
}

void UnseenReplies::seen(Uuid const& conversation_id, std::uint64_t sequence) {
  auto const found = index_.find(conversation_id);
  if (found == index_.end()) return;
  auto& mark = found->second->mark;
  mark.sequence = std::max(mark.sequence, sequence);
}

std::optional<UnseenReplies::Mark> UnseenReplies::find(Uuid const& conversation_id, Clock::time_point now) {
  auto const entry = find_valid(conversation_id, now);
  if (entry == entries_.end()) return std::nullopt;
  return entry->mark;
}

}  // namespace omnibus::gateway
