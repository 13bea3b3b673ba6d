#include "workers/gateway/replies/recent_replies.hpp"

#include <algorithm>
#include <utility>

namespace omnibus::gateway {

void RecentReplies::begin(Cursor const& at) {
  partitions_.try_emplace(at.partition, Partition{{}, at.offset, at.offset});
}

SharedReply RecentReplies::add(Reply reply, Clock::time_point now) {
  reply.sequence = next_sequence_++;
  auto kept = std::make_shared<Reply const>(std::move(reply));
  bytes_ += kept->bytes();
  auto& partition = partitions_[kept->at.partition];
  partition.replies.push_back(kept);
  partition.next_offset = kept->at.offset + 1;
  arrivals_.push_back({now, kept});
  while (bytes_ > max_bytes_ && !arrivals_.empty()) drop_oldest();
  return kept;
}

void RecentReplies::drop_oldest() {
  auto const reply = std::move(arrivals_.front().reply);
  arrivals_.pop_front();
  auto& partition = partitions_[reply->at.partition];
  partition.replies.pop_front();
  partition.held_from = reply->at.offset + 1;
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
  std::vector<SharedReply> replies;
  auto const found = partitions_.find(first.partition);
  if (found == partitions_.end()) return replies;
  auto const& kept = found->second.replies;
  auto reply = std::lower_bound(kept.begin(), kept.end(), first.offset,
                                [](SharedReply const& one, std::int64_t offset) { return one->at.offset < offset; });
  for (; reply != kept.end(); ++reply)
    if ((*reply)->conversation_id == conversation_id) replies.push_back(*reply);
  return replies;
}

std::vector<SharedReply> RecentReplies::since(Uuid const& conversation_id, std::uint64_t sequence) const {
  std::vector<SharedReply> replies;
  auto arrival =
      std::lower_bound(arrivals_.begin(), arrivals_.end(), sequence,
                       [](Arrival const& one, std::uint64_t number) { return one.reply->sequence < number; });
  for (; arrival != arrivals_.end(); ++arrival)
    if (arrival->reply->conversation_id == conversation_id) replies.push_back(arrival->reply);
  return replies;
}

std::uint64_t RecentReplies::sequence_at(Clock::time_point time) const {
  auto const arrival = std::lower_bound(arrivals_.begin(), arrivals_.end(), time,
                                        [](Arrival const& one, Clock::time_point when) { return one.time < when; });
  return arrival == arrivals_.end() ? next_sequence_ : arrival->reply->sequence;
}

}  // namespace omnibus::gateway
