/// A conversation as it is judged.
#pragma once

#include "matches/stored_score.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace omnibus::outcome {

using matches::Ratio;
using matches::StoredScore;

/// One turn of a conversation of two agents.
struct SpokenTurn {
  std::int64_t number = 0;
  std::string speaker;  ///< agent_a or agent_b
  std::string message;
  std::optional<StoredScore> alignment = {};  ///< none when no insight was left to bring in
};

/// A conversation with what was predicted of it.
struct HeldConversation {
  std::string domain;
  bool active_tenant = false;
  Uuid match_id{};
  std::string status;
  std::string stop_reason;
  std::string predicted_outcome;  ///< empty when the match was never analysed
  bool judged = false;            ///< it has an outcome
  std::vector<SpokenTurn> turns;  ///< in their order
};

}  // namespace omnibus::outcome
