/// Why and when a conversation ends. Pure.
#pragma once

#include "assistant/structured.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <boost/describe/class.hpp>

namespace omnibus::conversation {

enum class StopReason : std::uint8_t {
  agreed_end,    ///< both agents said so, in two turns in a row
  max_turns,     ///< CONVERSATION_MAX_TURNS
  max_tokens,    ///< the next call might exceed CONVERSATION_MAX_TOKENS
  max_cost,      ///< the next call might exceed CONVERSATION_MAX_COST
  deadline,      ///< CONVERSATION_DEADLINE
  repetition,    ///< two turns in a row repeat earlier ones
  refused,       ///< the model or its provider refuses to answer
  model_failed,  ///< no usable answer
  erased,        ///< a person was deleted
  withdrawn,     ///< a person or the tenant may not take part any more
};

/// The reason as it is stored and published.
std::string_view to_string(StopReason reason) noexcept;
/// Whether the conversation has failed; otherwise it was held and can be judged.
bool is_failure(StopReason reason) noexcept;

/// A turn, as far as the end of a conversation depends on it.
struct SaidTurn {
  std::string message;
  bool wants_to_end = false;  ///< the field `end` of its answer
};
BOOST_DESCRIBE_STRUCT(SaidTurn, (), (message, wants_to_end))

/// Why a conversation ends after its newest turn, or nothing. Only the field `end` decides about an agreed end: no word
/// in a message does. @param turns all of them, in order.
std::optional<StopReason> stop_after(std::span<SaidTurn const> turns, std::size_t max_turns);

/// What all calls of a conversation may take together.
struct ConversationLimits {
  std::int64_t tokens = 0;
  std::int64_t cost_nano_usd = 0;
};

/// What the calls of a conversation took.
struct ConversationTotals {
  std::int64_t tokens = 0;
  std::int64_t cost_nano_usd = 0;
};

/// The limit that a call might exceed, or nothing. @param stored what the stored turns took; @param before what the
/// calls of this turn took before it; @param call the most that it can take.
std::optional<StopReason> limit_before(ConversationLimits const& limits, ConversationTotals const& stored,
                                       assistant::Spent const& before, assistant::PlannedCall const& call);

}  // namespace omnibus::conversation
