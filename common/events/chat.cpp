#include "events/chat.hpp"

#include "events/conversation.hpp"
#include "text/rules.hpp"

namespace omnibus {
namespace {

constexpr std::size_t max_session_id = 255;
constexpr std::size_t max_text = 16'000;

}  // namespace

Subjects subjects_of(ChatMessageReceived const& event, std::string_view) {
  return aliases({event.conversation_id, conversation_id_of(event.domain, event.session_id)});
}

std::optional<InvalidField> validate(ChatMessageReceived const& message) {
  if (auto invalid = rules::domain("domain", message.domain)) return invalid;
  if (auto invalid = rules::length("session_id", message.session_id, max_session_id)) return invalid;
  return rules::length("text", message.text, max_text);
}

std::optional<InvalidField> validate(ChatReplyDelta const& delta) {
  if (delta.index < 0) return InvalidField{"index", "must not be negative"};
  return std::nullopt;
}

}  // namespace omnibus
