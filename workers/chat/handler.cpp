#include "workers/chat/handler.hpp"

#include "events/conversation.hpp"
#include "handler/failure.hpp"
#include "text/words.hpp"
#include "workers/chat/delta_publisher.hpp"
#include "workers/chat/prompt.hpp"

#include <optional>
#include <utility>

namespace omnibus::chat {
namespace {

constexpr std::int32_t longest_history = 200;  // messages read; the prompt's token budget decides how many are used

}  // namespace

Task<> ChatHandler::handle(Context& context, ChatMessageReceived const& message) {
  auto opening = store_->open(context, message, longest_history);
  auto const conversation = co_await std::move(opening);
  if (conversation.already_handled) co_return;
  if (context.replaying()) {
    auto again = replay(context, message, conversation);
    co_return co_await std::move(again);
  }
  if (!conversation.allowed) {
    auto refusing = refuse(context, conversation);
    co_return co_await std::move(refusing);
  }
  if (conversation.resolved) throw Failure::permanent("the conversation is closed", "closed_conversation");
  if (conversation.with_person) {
    auto silence = stay_silent(context, message, conversation);
    co_return co_await std::move(silence);
  }
  std::optional<std::string> text = conversation.recorded_answer;
  auto tokens = settings_.history_tokens;
  std::string unanswered;
  while (!text && unanswered.empty()) {
    try {
      auto asking = ask(context, message, conversation, tokens);
      text = co_await std::move(asking);
    } catch (llm::LlmError const& error) {
      if (error.kind() == llm::LlmError::Kind::context_length && tokens == settings_.history_tokens) {
        tokens = assistant::Model::shorter(tokens);
        continue;
      }
      // Throws to retry, unless the visitor has waited long enough.
      unanswered = model_->give_up(context, error);
    }
  }
  auto const is_answered = text && has_words(*text);
  if (text && !is_answered) unanswered = to_string(llm::LlmError::Kind::no_words);
  auto finishing = is_answered ? answer(context, message, conversation, std::move(*text))
                               : fall_back(context, message, conversation, std::move(unanswered));
  co_await std::move(finishing);
}

Task<> ChatHandler::handle(Context& context, ChatConsentRecorded const& consent) {
  auto committing =
      context.commit([&](UnitOfWork& unit) { store_->record_consent(unit, consent, context.event_key()); });
  co_await std::move(committing);
}

Task<std::string> ChatHandler::ask(Context& context, ChatMessageReceived const& message,
                                   Conversation const& conversation, std::int32_t history_tokens) {
  auto prompt =
      make_prompt(settings_.instructions, conversation.history, message.text, static_cast<std::size_t>(history_tokens));
  DeltaPublisher deltas{context, conversation.id};
  auto asking = model_->ask(context, {message.domain, conversation.id}, std::move(prompt), {},
                            [&deltas](std::string_view piece) { deltas.add(piece); });
  auto answer = co_await std::move(asking);
  deltas.flush();
  co_return std::move(answer.text);
}

Task<> ChatHandler::answer(Context& context, ChatMessageReceived const& message, Conversation const& conversation,
                           std::string text) {
  auto committing = context.commit([&](UnitOfWork& unit) {
    auto const untouched =
        store_->append_message(unit, conversation, message, context.event_key(), context.timestamp_ms());
    auto const key = to_string(conversation.id);
    std::string const id{context.event().id};
    if (!untouched) {
      model_->forget_answers(unit, context.event_key());
      return unit.publish(ChatReplySuppressed{conversation.id, id, "a person has taken the conversation over"}, key);
    }
    store_->append_answer(unit, conversation, context.event_key(), text);
    unit.publish(ChatReplyGenerated{conversation.id, id, text}, key);
  });
  co_await std::move(committing);
}

Task<> ChatHandler::replay(Context& context, ChatMessageReceived const& message, Conversation const& conversation) {
  if (!conversation.recorded_answer || !has_words(*conversation.recorded_answer)) {
    context.pass_over("no recorded answer");
    co_return;
  }
  auto deleted = false;
  auto committing = context.commit([&](UnitOfWork& unit) {
    deleted = store_->was_deleted(unit, conversation, context.event_key());
    if (deleted) return;
    store_->append_message(unit, conversation, message, context.event_key(), context.timestamp_ms());
    store_->append_answer(unit, conversation, context.event_key(), *conversation.recorded_answer);
    unit.publish(ChatReplyGenerated{conversation.id, std::string{context.event().id}, *conversation.recorded_answer},
                 to_string(conversation.id));
  });
  auto const committed = co_await std::move(committing);
  if (committed && deleted) context.pass_over("deleted");
}

Task<> ChatHandler::refuse(Context& context, Conversation const& conversation) {
  auto committing = context.commit([&](UnitOfWork& unit) {
    unit.publish(ChatReplySuppressed{conversation.id, std::string{context.event().id}, "consent_required"},
                 to_string(conversation.id));
  });
  co_await std::move(committing);
}

Task<> ChatHandler::stay_silent(Context& context, ChatMessageReceived const& message,
                                Conversation const& conversation) {
  auto committing = context.commit([&](UnitOfWork& unit) {
    store_->append_message(unit, conversation, message, context.event_key(), context.timestamp_ms());
    unit.publish(ChatReplySuppressed{conversation.id, std::string{context.event().id},
                                     "a person has taken the conversation over"},
                 to_string(conversation.id));
  });
  co_await std::move(committing);
}

Task<> ChatHandler::fall_back(Context& context, ChatMessageReceived const& message, Conversation const& conversation,
                              std::string reason) {
  auto committing = context.commit([&](UnitOfWork& unit) {
    store_->append_message(unit, conversation, message, context.event_key(), context.timestamp_ms());
    unit.publish(ChatReplyFallback{conversation.id, std::string{context.event().id}, settings_.fallback_text, reason},
                 to_string(conversation.id));
  });
  co_await std::move(committing);
}

void ChatHandler::gave_up(Context& context, ChatMessageReceived const& message, Failure const& failure,
                          UnitOfWork& unit) {
  auto const& reason = failure.error_class();
  auto const derived = conversation_id_of(message.domain, message.session_id);
  auto const conversation = message.conversation_id.value_or(derived);
  // The tenant is checked before the conversation's owner: a conversation that the message names may be another's.
  auto const unchecked = reason == "unknown_tenant" || reason == "inactive_tenant";
  if (reason == "wrong_conversation" || (unchecked && conversation != derived)) return;
  // Visitors read the reason: the error class is enough, without internal details.
  unit.publish(ChatReplyFailed{conversation, std::string{context.event().id}, reason}, to_string(conversation));
}

}  // namespace omnibus::chat
