/// The newest part of `chat.replies`, in memory.
#pragma once

#include "workers/gateway/replies/reply.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <vector>

namespace omnibus::gateway {

/// Keeps the newest replies of every partition, up to a total number of bytes, so that a stream that resumes soon does
/// not read the log again. Not thread-safe: use it on the event loop only. Time is passed in.
class RecentReplies {
 public:
  using Clock = std::chrono::steady_clock;

  explicit RecentReplies(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  /// The tail begins here: every record of the partition from this offset on will be added.
  void begin(Cursor const& at);
  /// Adds the partition's next reply and numbers it; drops the oldest replies above the limit of bytes.
  SharedReply add(Reply reply, Clock::time_point now);

  /// False until the tail has begun: then replies may be missing.
  bool begun() const { return !partitions_.empty(); }
  /// The offset from which the partition is complete here; nothing when it is not followed.
  std::optional<std::int64_t> held_from(std::int32_t partition) const;
  /// One past the last reply of the partition that was added, or where the tail began; nothing when it is not followed.
  std::optional<std::int64_t> next_offset(std::int32_t partition) const;
  /// The conversation's replies of one partition from an offset on, in order.
  std::vector<SharedReply> from(Uuid const& conversation_id, Cursor const& first) const;
  /// The conversation's replies from this number on, in the order of arrival.
  std::vector<SharedReply> since(Uuid const& conversation_id, std::uint64_t sequence) const;

  /// The number the next reply gets.
  std::uint64_t next_sequence() const { return next_sequence_; }
  /// The number of the first kept reply that arrived at that time or later.
  std::uint64_t sequence_at(Clock::time_point time) const;
  std::size_t bytes() const { return bytes_; }

 private:
  struct Arrival {
    Clock::time_point time;
    SharedReply reply;
  };
  struct Partition {
    std::deque<SharedReply> replies;
    std::int64_t held_from = 0;
    std::int64_t next_offset = 0;
  };
  void drop_oldest();

  std::size_t max_bytes_;
  std::size_t bytes_ = 0;
  std::uint64_t next_sequence_ = 1;
  std::deque<Arrival> arrivals_;
  std::unordered_map<std::int32_t, Partition> partitions_;
};

}  // namespace omnibus::gateway
