/// Where a stream begins that does not say where.
#pragma once

#include "containers/lru_cache.hpp"
#include "uuid/uuid.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace omnibus::gateway {

/// A client posts a message and then opens the conversation's stream: a quick answer may come in between. So the
/// gateway remembers for a while, for each conversation that was posted to, from which reply on nobody has been told.
/// The least recently used are forgotten first. Not thread-safe: it belongs to the event loop.
class UnseenReplies {
 public:
  using Clock = std::chrono::steady_clock;
  struct Mark {
    std::string domain;      ///< whose conversation it is
    std::uint64_t sequence;  ///< of the first reply nobody has seen
  };

  UnseenReplies(std::size_t capacity, std::chrono::milliseconds time_to_live) : marks_(capacity, time_to_live) {}

  /// A message of the conversation is about to be published; `sequence` is the number of the next reply to arrive. An
  /// earlier mark that is still valid stays where it is.
  void posted(Uuid const& conversation_id, std::string domain, std::uint64_t sequence, Clock::time_point now);
  /// Somebody has been told everything before the reply of that number.
  void seen(Uuid const& conversation_id, std::uint64_t sequence);
  std::optional<Mark> find(Uuid const& conversation_id, Clock::time_point now);
  std::size_t size() const { return marks_.size(); }

 private:
  LruCache<Uuid, Mark> marks_;
};

}  // namespace omnibus::gateway
