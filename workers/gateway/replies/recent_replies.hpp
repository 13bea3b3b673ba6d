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

/// Keeps the newest replies of every partition, up to a total number of bytes: streams resume from here, and what is
/// older is read from the transcript. A stream that resumes looks at the replies of its conversation only. Not
/// thread-safe: use it on the event loop only. Time is passed in.
class RecentReplies {
 public:
  using Clock = std::chrono::steady_clock;

  explicit RecentReplies(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  /// The tail begins here: every record of the partition from this offset on will be added.
  void begin(Cursor const& at);
  /// Adds the partition's next reply and numbers it; drops the oldest replies above the limit of bytes. What is added
  /// before complete() was there before the tail, and arrived at no time that a stream looks back to.
  SharedReply add(Reply reply, Clock::time_point now);
  /// The tail has come to the end that each partition had when it began.
  void complete() { is_complete_ = true; }

  /// False while replies may be missing.
  bool is_complete() const { return is_complete_; }
  /// The offset from which the partition is complete here; nothing when it is not followed.
  std::optional<std::int64_t> held_from(std::int32_t partition) const;
  /// One past the last reply of the partition that was added, or where the tail began; nothing when it is not followed.
  std::optional<std::int64_t> next_offset(std::int32_t partition) const;
  /// The conversation's replies from `first` on, in order; those of other partitions that arrived after it, too.
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
    std::int64_t held_from = 0;
    std::int64_t next_offset = 0;
  };
  void drop_oldest();

  std::size_t max_bytes_;
  std::size_t bytes_ = 0;
  std::uint64_t next_sequence_ = 1;
  bool is_complete_ = false;
  std::deque<Arrival> arrivals_;
  std::unordered_map<Uuid, std::deque<SharedReply>> conversations_;  ///< each in the order of arrival
  std::unordered_map<std::int32_t, Partition> partitions_;
};

}  // namespace omnibus::gateway
