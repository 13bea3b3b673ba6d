/// Passes replies from the tail of `chat.replies` to the waiting streams.
#pragma once

#include "workers/gateway/replies/reply.hpp"

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

namespace omnibus::gateway {

class ReplyFeed;

/// One stream's place in the feed and its arrived replies. A reader that is too slow is disconnected, so the buffer
/// is bounded. Leaves the feed when destroyed; the feed must outlive it.
class Subscription {
 public:
  Subscription(ReplyFeed& feed, Uuid conversation_id, std::size_t max_bytes, std::function<void()> wake);
  ~Subscription();
  Subscription(Subscription const&) = delete;
  Subscription& operator=(Subscription const&) = delete;

  /// The next reply; null when there is none.
  SharedReply take();
  bool empty() const { return waiting_.empty(); }
  /// True after more than `max_bytes` had to wait: replies are missing, so the stream must end and its client resume.
  bool overrun() const { return overrun_; }

  /// Appends a reply. Wakes the reader.
  void push(SharedReply reply);

 private:
  ReplyFeed& feed_;
  Uuid conversation_id_;
  std::size_t max_bytes_;
  std::function<void()> wake_;
  std::deque<SharedReply> waiting_;
  std::size_t bytes_ = 0;
  bool overrun_ = false;
};

/// The streams that wait, by conversation. Not thread-safe: use it on the event loop only.
class ReplyFeed {
 public:
  /// Passes the reply to every stream of its conversation.
  void deliver(SharedReply const& reply);
  std::size_t streams() const { return streams_; }

 private:
  friend class Subscription;
  void add(Uuid const& conversation_id, Subscription* subscription);
  void remove(Uuid const& conversation_id, Subscription* subscription);

  std::unordered_map<Uuid, std::vector<Subscription*>> subscriptions_;
  std::size_t streams_ = 0;
};

}  // namespace omnibus::gateway
