/// What the topic `agent.turns` tells the streams of agents' conversations.
#pragma once

#include "workers/gateway/replies/reply.hpp"

#include <optional>
#include <string_view>

namespace omnibus::gateway {

/// A turn's completion, which wakes the streams of its conversation: it has no frame, since its words are in the
/// database alone. Nothing for other events, or data that breaks the schema.
std::optional<Reply> read_turn_notice(Cursor at, std::string_view type, std::string_view data);

}  // namespace omnibus::gateway
