/// `GET /v1/conversations/{id}/events`
#pragma once

#include "concurrency/task.hpp"
#include "http/router.hpp"
#include "workers/gateway/config.hpp"
#include "workers/gateway/door/admission.hpp"
#include "workers/gateway/replies/recent_replies.hpp"
#include "workers/gateway/replies/reply_feed.hpp"
#include "workers/gateway/replies/turn_filter.hpp"
#include "workers/gateway/replies/unseen_replies.hpp"
#include "workers/gateway/routes/stream_places.hpp"
#include "workers/gateway/store.hpp"

#include <optional>
#include <string>

namespace omnibus::gateway {

/// What the streams read from.
struct ReplySources {
  RecentReplies& recent;
  ReplyFeed& feed;
  UnseenReplies& unseen;
};

/// Collects a stream's unsent parts: each part of a reply once.
class Teller {
 public:
  /// @param after what the client has already: it is recorded, not sent
  explicit Teller(std::optional<Cursor> after) : after_(after) {}

  void tell(Reply const& reply);
  /// The text collected since the last call.
  std::string take();

 private:
  std::optional<Cursor> after_;
  TurnFilter told_;
  std::string text_;
};

/// The replies of a conversation as server-sent events: `delta`, `reply`, `failed`, `suppressed`.
///
/// With `Last-Event-ID` (or `?last_event_id=`) it continues right after that event, on any gateway; from memory alone,
/// so that resuming costs nothing. If the event is older than what is in memory, the stream begins with `gap`. Without,
/// it begins with the unread replies to a message posted here, else a moment ago. A conversation that is not stored yet
/// is the caller's when it was posted to here, or when `?session_id=` names its session; else the stream waits a short
/// time for it to be stored. A person's reading is logged in `access_log`.
class StreamRoute {
 public:
  static constexpr Needs needs = service_or(Role::agent);

  StreamRoute(Admission& admission, AccessLog& access_log, Store& store, ReplySources sources, StreamPlaces& places,
              StreamSettings const& settings);

  Task<> get(http::Request const& request, http::Stream& stream);

 private:
  struct Opening {
    std::string domain;
    Uuid conversation_id;
    std::optional<Cursor> after;  ///< the last event the client has
    std::uint64_t since = 0;      ///< the first reply to send, when it names none
    bool gap = false;             ///< events may be missing after the client's last
  };
  Task<Opening> open(http::Request const& request);
  /// Drops a cursor that cannot be of this log, and notes a gap.
  Task<> check_cursor(Opening& opening);
  Task<> authorise(http::Request const& request, Scope scope, Uuid conversation_id);
  Task<> serve(http::Request const& request, Opening opening, http::Stream& stream);

  Admission& admission_;
  AccessLog& access_log_;
  Store& store_;
  ReplySources sources_;
  StreamPlaces& places_;
  StreamSettings const& settings_;
};

}  // namespace omnibus::gateway
