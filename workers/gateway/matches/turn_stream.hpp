/// `GET /v1/agent-conversations/{id}/events`
#pragma once

#include "concurrency/task.hpp"
#include "http/router.hpp"
#include "matches/shown.hpp"
#include "workers/gateway/config.hpp"
#include "workers/gateway/matches/caller.hpp"
#include "workers/gateway/replies/reply_feed.hpp"
#include "workers/gateway/routes/stream_places.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace omnibus::gateway {

/// The server-sent events of what is new in a conversation: `turn` for each turn, whose id is its number, then
/// `outcome` or `failed`, whose id is `end`. `failed` with the status `completed`: it could not be judged.
struct TurnFrames {
  std::string text;
  std::int64_t told = 0;  ///< the number of the last turn
  bool ended = false;
};
/// @param told the number of the last turn that the client has. `detail` has the turns after it; nothing when the
/// conversation was erased.
TurnFrames write_turn_frames(std::optional<matches::AgentConversationDetail> const& detail, std::int64_t told);

/// The turns of a conversation while they happen, then its outcome or its failure, which end the stream. Each is read
/// from the database as the caller may see it. `agent.turns` wakes a stream; besides, it looks again every few seconds,
/// since that topic does not have the end. With `Last-Event-ID` (or `?last_event_id=`) it continues after that event,
/// on any gateway; after `end` the answer is 204, which tells a browser not to connect again.
class TurnStream {
 public:
  static constexpr Needs needs = at_least(Role::visitor);

  TurnStream(CallerReads& reads, ReplyFeed& feed, StreamPlaces& places, StreamSettings const& settings)
      : reads_(reads), feed_(feed), places_(places), settings_(settings) {}

  Task<> get(http::Request const& request, http::Stream& stream);

 private:
  Task<std::optional<matches::AgentConversationDetail>> read(Caller caller, Uuid id, std::int64_t after);
  Task<> serve(http::Request const& request, Caller caller, Uuid id, std::int64_t told, http::Stream& stream);

  CallerReads& reads_;
  ReplyFeed& feed_;
  StreamPlaces& places_;
  StreamSettings const& settings_;
};

}  // namespace omnibus::gateway
