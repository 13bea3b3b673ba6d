#include "workers/gateway/replies/recent_replies.hpp"

#include <algorithm>
#include <utility>

namespace omnibus::gateway {

void RecentReplies::begin(Cursor const& at) {
  partitions_.try_emplace(at.partition, Partition{at.offset, at.offset});
}

SharedReply RecentReplies::add(Reply reply, Clock::time_point now) {
  reply.sequence = next_sequence_++;
  auto kept = std::make_shared<Reply const>(std::move(reply));
  bytes_ += kept->bytes();
  auto& partition = partitions_[kept->at.partition];
  partition.next_offset = kept->at.offset + 1;
  conversations_[kept->conversation_id].push_back(kept);
  arrivals_.push_back({is_complete_ ? now : Clock::time_point::min(), kept});
  while (bytes_ > max_bytes_ && !arrivals_.empty()) drop_oldest();
  return kept;
}

void RecentReplies::drop_oldest() {
  auto const reply = std::move(arrivals_.front().reply);
  arrivals_.pop_front();
  auto const conversation = conversations_.find(reply->conversation_id);
  conversation->second.pop_front();
  if (conversation->second.empty()) conversations_.erase(conversation);
  partitions_[reply->at.partition].held_from = reply->at.offset + 1;
  bytes_ -= reply->bytes();
}

std::optional<std::int64_t> RecentReplies::held_from(std::int32_t partition) const {
  auto const found = partitions_.find(partition);
  if (found == partitions_.end()) return std::nullopt;
  return found->second.held_from;
}

std::optional<std::int64_t> RecentReplies::next_offset(std::int32_t partition) const {
  auto const found = partitions_.find(partition);
  if (found == partitions_.end()) return std::nullopt;
  return found->second.next_offset;
}

std::vector<SharedReply> RecentReplies::from(Uuid const& conversation_id, Cursor const& first) const {
  auto const found = conversations_.find(conversation_id);
  if (found == conversations_.end()) return {};
  auto const& kept = found->second;
  auto const is_after = [&](SharedReply const& reply) {
    return reply->at.partition == first.partition && reply->at.offset >= first.offset;
  };
  return {std::find_if(kept.begin(), kept.end(), is_after), kept.end()};
}

std::vector<SharedReply> RecentReplies::since(Uuid const& conversation_id, std::uint64_t sequence) const {
  auto const found = conversations_.find(conversation_id);
  if (found == conversations_.end()) return {};
  auto const& kept = found->second;
  auto const first =
      std::lower_bound(kept.begin(), kept.end(), sequence,
                       [](SharedReply const& one, std::uint64_t number) { return one->sequence < number; });
  return {first, kept.end()};
}

std::uint64_t RecentReplies::sequence_at(Clock::time_point time) const {
  auto const arrival = std::lower_bound(arrivals_.begin(), arrivals_.end(), time,
                                        [](Arrival const& one, Clock::time_point when) { return one.time < when; });
  return arrival == arrivals_.end() ? next_sequence_ : arrival->reply->sequence;
}

}  // namespace omnibus::gateway
