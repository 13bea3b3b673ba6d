/// A visitor's message, whichever route it came by.
#pragma once

#include "concurrency/task.hpp"
#include "events/chat.hpp"
#include "workers/gateway/door/token_cache.hpp"
#include "workers/gateway/replies/recent_replies.hpp"
#include "workers/gateway/replies/unseen_replies.hpp"
#include "workers/gateway/store.hpp"

#include <string>

namespace omnibus::gateway {

/// The rules that every route keeps which publishes a ChatMessageReceived.
class VisitorMessages {
 public:
  VisitorMessages(Store& store, RecentReplies const& recent, UnseenReplies& unseen)
      : store_(store), recent_(recent), unseen_(unseen) {}

  /// Holds the message against its schema and against who sends it, and fills in its conversation id.
  /// `prefix` goes before the name of a field in a refusal.
  /// @throws Refusal 400 for a field that breaks a rule, 404 for what is not the caller's.
  Task<> check(Principal const& principal, ChatMessageReceived& message, std::string prefix = "");

  /// @throws Refusal 409 when the conversation is closed. While the database is away nobody can tell, and the message
  /// goes on: the chat worker looks again.
  Task<> check_open(ChatMessageReceived const& message);

  /// To be called right before the message is published: replies from now on are the ones to tell whoever opens the
  /// conversation's stream next.
  void expect_reply(ChatMessageReceived const& message);

 private:
  Store& store_;
  RecentReplies const& recent_;
  UnseenReplies& unseen_;
};

}  // namespace omnibus::gateway
