/// Publishes the parts of an answer as they arrive.
#pragma once

#include "events/chat.hpp"
#include "handler/context.hpp"

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace omnibus::chat {

/// Publishes one reply's parts in pieces of some bytes and some time, not token by token: an answer that comes at once
/// is one piece. Lives until the answer is complete.
class DeltaPublisher {
 public:
  DeltaPublisher(Context& context, Uuid const& conversation) : context_{context}, conversation_{conversation} {}

  void add(std::string_view text) {
    pending_ += text;
    if (pending_.size() >= enough_bytes && Clock::now() - flushed_ >= enough_time) flush();
  }
  void flush() {
    if (pending_.empty()) return;
    flushed_ = Clock::now();
    ChatReplyDelta const delta{conversation_, std::string{context_.event().id}, index_, std::exchange(pending_, {})};
    context_.publish_now(delta, to_string(conversation_), "delta", index_++);
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t enough_bytes = 48;
  static constexpr std::chrono::milliseconds enough_time{20};

  Context& context_;
  Uuid conversation_;
  std::string pending_;
  Clock::time_point flushed_ = Clock::now();
  int index_ = 0;
};

}  // namespace omnibus::chat
