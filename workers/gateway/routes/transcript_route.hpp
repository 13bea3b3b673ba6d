/// `GET /v1/conversations/{id}`
#pragma once

#include "concurrency/task.hpp"
#include "http/message.hpp"
#include "workers/gateway/door/admission.hpp"
#include "workers/gateway/replies/recent_replies.hpp"
#include "workers/gateway/replies/unseen_replies.hpp"
#include "workers/gateway/store.hpp"

namespace omnibus::gateway {

/// The transcript, oldest message first, in pages: `?after_seq=` (0) and `?limit=` (500, at most 1000). A page that is
/// not the last has `next_after_seq`. A person's reading is logged in `access_log`.
class TranscriptRoute {
 public:
  static constexpr Needs needs = service_or(Role::agent);

  TranscriptRoute(Admission& admission, AccessLog& access_log, Store& store, RecentReplies const& recent,
                  UnseenReplies& unseen)
      : admission_(admission), access_log_(access_log), store_(store), recent_(recent), unseen_(unseen) {}

  Task<http::Response> get(http::Request const& request);

 private:
  Admission& admission_;
  AccessLog& access_log_;
  Store& store_;
  RecentReplies const& recent_;
  UnseenReplies& unseen_;
};

/// The `{id}` of a conversation's path. @throws Refusal 404 when it is no UUID.
Uuid conversation_of(http::Request const& request);

}  // namespace omnibus::gateway
