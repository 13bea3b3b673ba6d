/// Where a stream begins if its client names no position.
#pragma once

#include "containers/lru_cache.hpp"
#include "uuid/uuid.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace omnibus::gateway {

/// A client posts a message and then opens the conversation's stream: a quick answer may arrive in between. So the
/// gateway remembers for a while, for each conversation with a posted message, the first reply that was not read yet.
/// The least recently used entries are dropped first. Not thread-safe: use it on the event loop only.
class UnseenReplies {
 public:
  using Clock = std::chrono::steady_clock;
  struct Mark {
    std::string domain;      ///< the conversation's tenant
    std::uint64_t sequence;  ///< of the first unread reply
  };

  UnseenReplies(std::size_t capacity, std::chrono::milliseconds time_to_live) : marks_(capacity, time_to_live) {}

  /// A message of the conversation is about to be published; `sequence` is the number of the next reply to arrive. An
  /// earlier mark that is still valid stays.
  void posted(Uuid const& conversation_id, std::string domain, std::uint64_t sequence, Clock::time_point now);
  /// A stream has sent everything before the reply of that number.
  void seen(Uuid const& conversation_id, std::uint64_t sequence);
  std::optional<Mark> find(Uuid const& conversation_id, Clock::time_point now);
  std::size_t size() const { return marks_.size(); }

 private:
  LruCache<Uuid, Mark> marks_;
};

}  // namespace omnibus::gateway
