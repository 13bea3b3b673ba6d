/// One LLM turn per visitor message.
#pragma once

#include "assistant/model.hpp"
#include "events/chat.hpp"
#include "events/consent.hpp"
#include "handler/handler.hpp"
#include "llm/llm.hpp"
#include "workers/chat/config.hpp"
#include "workers/chat/store.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace omnibus::chat {

/// Answers a visitor's message with the model and stores both in the conversation. The answer is recorded with the
/// turn, or alone if that fails, so that it is paid for once. If a person takes over the conversation in between, it
/// gets no reply. If no model answers, the visitor gets a fixed text, which is never stored as an answer. A replay asks
/// no model: it stores a lost turn again as its outcome was, with its recorded answer. Where the tenant asks for
/// consent to processing, a message of a visitor who has not given it is neither stored nor answered.
class ChatHandler {
 public:
  static constexpr std::string_view name = "chat";
  static constexpr std::string_view summary = "Answers visitors' chat messages with a language model.";
  using Settings = ChatSettings;
  using Events = EventList<ChatMessageReceived, ChatConsentRecorded>;

  ChatHandler(Resources& resources, ChatSettings const& settings)
      : ChatHandler{settings, std::make_unique<PostgresConversations>(),
                    resources.replay ? nullptr : std::make_unique<assistant::Model>(resources, settings)} {}
  /// @param model null in a replay.
  ChatHandler(ChatSettings const& settings, std::unique_ptr<ConversationStore> store,
              std::unique_ptr<assistant::Model> model)
      : settings_{settings}, store_{std::move(store)}, model_{std::move(model)} {}

  Task<> handle(Context& context, ChatMessageReceived const& message);
  /// Records what the visitor agrees to. It counts from here on, in the order of the conversation.
  Task<> handle(Context& context, ChatConsentRecorded const& consent);
  /// Ends the visitor's stream when no attempt succeeded.
  void gave_up(Context& context, ChatMessageReceived const& message, Failure const& failure, UnitOfWork& unit);

 private:
  Task<assistant::RecordedAnswer> ask(Context& context, ChatMessageReceived const& message, Uuid const& conversation,
                                      std::vector<PastMessage> history, std::int32_t tokens);
  /// Stores the turn and publishes what became of it. @param reason why no model answered
  Task<> finish(Context& context, ChatTurn turn, std::string reason = {});
  Task<> replay(Context& context, ChatTurn turn, Conversation const& conversation);
  Task<> refuse(Context& context, Conversation const& conversation);
  Task<std::vector<PastMessage>> read_history(Context& context, ChatMessageReceived const& message,
                                              std::int32_t tokens);
  /// The part of a prompt's tokens that the history may take.
  std::int64_t left_for_history(ChatMessageReceived const& message, std::int32_t tokens) const;

  ChatSettings const settings_;
  std::unique_ptr<ConversationStore> store_;
  std::unique_ptr<assistant::Model> model_;  // null in a replay
};

}  // namespace omnibus::chat
