#include "workers/gateway/routes/visitor_message.hpp"

#include "events/conversation.hpp"
#include "postgres/errors.hpp"
#include "workers/gateway/door/admission.hpp"
#include "workers/gateway/door/refusal.hpp"

#include <exception>
#include <optional>
#include <utility>

namespace omnibus::gateway {

Task<> VisitorMessages::check(Principal const& principal, ChatMessageReceived& message, std::string prefix) {
  if (auto const invalid = validate(message))
    throw Refusal::invalid(prefix + invalid->field, invalid->field + " " + invalid->reason);
  auto tenancy = require_tenant(store_, principal, message.domain);
  co_await std::move(tenancy);
  auto const derived = conversation_id_of(message.domain, message.session_id);
  if (message.conversation_id && *message.conversation_id != derived) {
    auto lookup = store_.conversation(principal.in(message.domain), *message.conversation_id);
    auto const conversation = co_await std::move(lookup);
    if (!conversation) throw Refusal(404, "No such conversation", {}, prefix + "conversation_id");
  }
  if (!message.conversation_id) message.conversation_id = derived;
}

Task<> VisitorMessages::check_open(Principal const& principal, ChatMessageReceived const& message) {
  std::optional<ChatStanding> standing;
  try {
    auto lookup = store_.chat_standing(principal.in(message.domain), *message.conversation_id);
    standing = co_await std::move(lookup);
  } catch (std::exception const& error) {
    if (classify_database_error(error) == DatabaseError::permanent && postgres::is_database_error(error)) throw;
  }
  if (standing && !standing->allowed) throw Refusal::consent_required();
  if (standing && standing->closed) throw Refusal::closed();
}

void VisitorMessages::expect_reply(ChatMessageReceived const& message) {
  unseen_.posted(*message.conversation_id, message.domain, recent_.next_sequence(), UnseenReplies::Clock::now());
}

}  // namespace omnibus::gateway
