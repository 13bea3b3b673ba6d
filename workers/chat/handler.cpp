#include "workers/chat/handler.hpp"

#include "events/conversation.hpp"
#include "handler/failure.hpp"
#include "text/words.hpp"
#include "workers/chat/delta_publisher.hpp"
#include "workers/chat/prompt.hpp"

#include <optional>
#include <string_view>
#include <utility>

namespace omnibus::chat {
namespace {

constexpr auto taken_over = "a person has taken the conversation over";

ChatTurn turn_of(Context& context, ChatMessageReceived const& message, Conversation const& conversation,
                 TurnOutcome outcome) {
  return {context.event_key(),         conversation.id, message.domain,
          message.session_id,          message.text,    context.timestamp_ms(),
          conversation.takeover_epoch, outcome};
}

}  // namespace

Task<> ChatHandler::handle(Context& context, ChatMessageReceived const& message) {
  auto tokens = settings_.history_tokens;
  auto opening = store_->open(context, message, left_for_history(message, tokens));
  auto conversation = co_await std::move(opening);
  if (conversation.already_handled) co_return;
  if (context.replaying()) {
    auto again = replay(context, turn_of(context, message, conversation, TurnOutcome::answered), conversation);
    co_return co_await std::move(again);
  }
  if (!conversation.allowed) {
    auto refusing = refuse(context, conversation);
    co_return co_await std::move(refusing);
  }
  if (conversation.resolved) throw Failure::permanent("the conversation is closed", "closed_conversation");
  if (conversation.with_person) {
    auto silence = finish(context, turn_of(context, message, conversation, TurnOutcome::suppressed));
    co_return co_await std::move(silence);
  }
  auto turn = turn_of(context, message, conversation, TurnOutcome::answered);
  auto text = std::move(conversation.recorded_answer);
  std::string unanswered;
  while (!text && unanswered.empty()) {
    try {
      // Moved: while a model is asked, nothing is held but its prompt.
      auto asking = ask(context, message, conversation.id, std::move(conversation.history), tokens);
      turn.paid_for = co_await std::move(asking);
      text = turn.paid_for->text;
      continue;
    } catch (llm::LlmError const& error) {
      if (error.kind() != llm::LlmError::Kind::context_length || tokens != settings_.history_tokens) {
        // Throws to retry, unless the visitor has waited long enough.
        unanswered = model_->give_up(context, error);
        continue;
      }
    }
    tokens = assistant::Model::shorter(tokens);
    auto reading = read_history(context, message, tokens);
    conversation.history = co_await std::move(reading);
  }
  auto const is_answered = text && has_words(*text);
  if (text && !is_answered) unanswered = to_string(llm::LlmError::Kind::no_words);
  if (is_answered)
    turn.answer = *std::move(text);
  else
    turn.outcome = TurnOutcome::fallback;
  auto finishing = finish(context, std::move(turn), std::move(unanswered));
  co_await std::move(finishing);
}

Task<> ChatHandler::handle(Context& context, ChatConsentRecorded const& consent) {
  auto committing =
      context.commit([&](UnitOfWork& unit) { store_->record_consent(unit, consent, context.event_key()); });
  co_await std::move(committing);
}

std::int64_t ChatHandler::left_for_history(ChatMessageReceived const& message, std::int32_t tokens) const {
  return history_budget(settings_.instructions, message.text, static_cast<std::size_t>(tokens));
}

Task<std::vector<PastMessage>> ChatHandler::read_history(Context& context, ChatMessageReceived const& message,
                                                         std::int32_t tokens) {
  auto opening = store_->open(context, message, left_for_history(message, tokens));
  auto conversation = co_await std::move(opening);
  co_return std::move(conversation.history);
}

Task<assistant::RecordedAnswer> ChatHandler::ask(Context& context, ChatMessageReceived const& message,
                                                 Uuid const& conversation, std::vector<PastMessage> history,
                                                 std::int32_t tokens) {
  auto prompt = make_prompt(settings_.instructions, std::move(history), message.text, static_cast<std::size_t>(tokens));
  DeltaPublisher deltas{context, conversation};
  assistant::Turn const turn{message.domain, conversation};
  auto asking = model_->ask_unrecorded(context, turn, std::move(prompt), {},
                                       [&deltas](std::string_view piece) { deltas.add(piece); });
  auto answer = co_await std::move(asking);
  deltas.flush();
  co_return answer;
}

Task<> ChatHandler::finish(Context& context, ChatTurn turn, std::string reason) {
  auto const store = [&](UnitOfWork& unit) {
    store_->store_turn(unit, turn, [&](TurnOutcome outcome) {
      auto const key = to_string(turn.conversation_id);
      std::string const id{context.event().id};
      if (outcome == TurnOutcome::answered)
        unit.publish(ChatReplyGenerated{turn.conversation_id, id, turn.answer}, key);
      else if (outcome == TurnOutcome::fallback)
        unit.publish(ChatReplyFallback{turn.conversation_id, id, settings_.fallback_text, reason}, key);
      else
        unit.publish(ChatReplySuppressed{turn.conversation_id, id, taken_over}, key);
    });
  };
  auto committing =
      turn.paid_for ? model_->commit_with_answer(context, {turn.domain, turn.conversation_id}, *turn.paid_for, store)
                    : context.commit(store);
  co_await std::move(committing);
}

Task<> ChatHandler::replay(Context& context, ChatTurn turn, Conversation const& conversation) {
  auto const has_answer = conversation.recorded_answer && has_words(*conversation.recorded_answer);
  if (!conversation.outcome && has_answer) co_return context.pass_over("its turn has not ended");
  turn.outcome = conversation.outcome.value_or(TurnOutcome::answered);
  if (turn.outcome == TurnOutcome::parked) co_return context.pass_over("given up");
  if (turn.outcome == TurnOutcome::answered && !has_answer) co_return context.pass_over("no recorded answer");
  if (turn.outcome == TurnOutcome::answered) turn.answer = *conversation.recorded_answer;
  auto deleted = false;
  auto committing = context.commit([&](UnitOfWork& unit) {
    deleted = store_->was_deleted(unit, turn);
    if (deleted) return;
    store_->store_again(unit, turn);
    if (turn.outcome == TurnOutcome::answered)
      unit.publish(ChatReplyGenerated{turn.conversation_id, std::string{context.event().id}, turn.answer},
                   to_string(turn.conversation_id));
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

void ChatHandler::gave_up(Context& context, ChatMessageReceived const& message, Failure const& failure,
                          UnitOfWork& unit) {
  store_->note_parked(unit, context.event_key());
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
