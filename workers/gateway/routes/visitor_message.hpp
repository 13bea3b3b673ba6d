/// A visitor's message, from any route.
#pragma once

#include "concurrency/task.hpp"
#include "events/chat.hpp"
#include "workers/gateway/door/token_cache.hpp"
#include "workers/gateway/replies/recent_replies.hpp"
#include "workers/gateway/replies/unseen_replies.hpp"
#include "workers/gateway/store.hpp"

#include <string>

namespace omnibus::gateway {

/// The rules for every route that publishes a ChatMessageReceived.
class VisitorMessages {
 public:
  VisitorMessages(Store& store, RecentReplies const& recent, UnseenReplies& unseen)
      : store_(store), recent_(recent), unseen_(unseen) {}

  /// Checks the message against its schema and its sender, and fills in its conversation id.
  /// `prefix` goes before a field's name in a refusal.
  /// @throws Refusal 400 for a field that breaks a rule, 404 for data of another tenant.
  Task<> check(Principal const& principal, ChatMessageReceived& message, std::string prefix = "");

  /// @throws Refusal 409 when the conversation is closed, 403 when the visitor has not given a consent that the tenant
  /// requires. While the database is down this is unknown, and the message
  /// is published: the chat worker checks again.
  Task<> check_open(Principal const& principal, ChatMessageReceived const& message);

  /// Call it right before the message is published: the conversation's next stream begins with replies from now
  /// on.
  void expect_reply(ChatMessageReceived const& message);

 private:
  Store& store_;
  RecentReplies const& recent_;
  UnseenReplies& unseen_;
};

}  // namespace omnibus::gateway
