/// Publishes the parts of an answer as they arrive.
#pragma once

#include "events/chat.hpp"
#include "handler/context.hpp"

#include <string>
#include <string_view>
#include <utility>

namespace omnibus::chat {

/// Publishes one reply's parts in pieces of some bytes, not token by token. Lives until the answer is complete.
class DeltaPublisher {
 public:
  DeltaPublisher(Context& context, Uuid const& conversation) : context_{context}, conversation_{conversation} {}

  void add(std::string_view text) {
    pending_ += text;
    if (pending_.size() >= enough_bytes) flush();
  }
  void flush() {
    if (pending_.empty()) return;
    ChatReplyDelta const delta{conversation_, std::string{context_.event().id}, index_, std::exchange(pending_, {})};
    context_.publish_now(delta, to_string(conversation_), "delta", index_++);
  }

 private:
  static constexpr std::size_t enough_bytes = 48;

  Context& context_;
  Uuid conversation_;
  std::string pending_;
  int index_ = 0;
};

}  // namespace omnibus::chat
