#include "workers/gateway/matches/turn_notice.hpp"

#include "events/agent_conversation.hpp"
#include "json/decode.hpp"

namespace omnibus::gateway {

std::optional<Reply> read_turn_notice(Cursor at, std::string_view type, std::string_view data) {
  if (type != AgentTurnCompleted::type) return std::nullopt;
  auto const turn = json::decode<AgentTurnCompleted>(data, {.bytes = data.size()});
  if (!turn || validate(*turn)) return std::nullopt;
  Reply notice;
  notice.at = at;
  notice.conversation_id = turn->conversation_id;
  notice.kind = Reply::Kind::reply;
  return notice;
}

}  // namespace omnibus::gateway
