#include "events/agent_conversation.hpp"

#include "text/rules.hpp"

namespace omnibus {

std::optional<InvalidField> validate(AgentConversationRequested const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  return std::nullopt;
}

std::optional<InvalidField> validate(AgentTurnRequested const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  if (auto invalid = rules::between("turn_number", event.turn_number, 1, 1000)) return invalid;
  return std::nullopt;
}

std::optional<InvalidField> validate(AgentTurnCompleted const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  if (auto invalid = rules::between("turn_number", event.turn_number, 1, 1000)) return invalid;
  if (auto invalid = rules::one_of("speaker_role", event.speaker_role, {"agent_a", "agent_b"})) return invalid;
  return std::nullopt;
}

std::optional<InvalidField> validate(AgentConversationCompleted const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  if (auto invalid = rules::one_of("stop_reason", event.stop_reason,
                                   {"agreed_end", "max_turns", "max_tokens", "max_cost", "deadline", "repetition"}))
    return invalid;
  if (auto invalid = rules::between("turns", event.turns, 0, 1000)) return invalid;
  return std::nullopt;
}

std::optional<InvalidField> validate(AgentConversationFailed const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  if (auto invalid =
          rules::one_of("stop_reason", event.stop_reason, {"refused", "model_failed", "erased", "withdrawn"}))
    return invalid;
  return std::nullopt;
}

}  // namespace omnibus
