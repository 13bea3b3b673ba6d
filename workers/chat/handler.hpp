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

namespace omnibus::chat {

/// Answers a visitor's message with the model and stores both in the conversation. The answer is recorded before
/// anything else is written, so that it is paid for once. If a person takes over the conversation in between, it gets
/// no reply. If no model answers, the visitor gets a fixed text, which is never stored as an answer. A replay asks
/// no model: it stores a lost turn again with its recorded answer. Where the tenant asks for consent to processing, a
/// message of a visitor who has not given it is neither stored nor answered.
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
  Task<std::string> ask(Context& context, ChatMessageReceived const& message, Conversation const& conversation,
                        std::int32_t history_tokens);
  Task<> answer(Context& context, ChatMessageReceived const& message, Conversation const& conversation,
                std::string text);
  Task<> replay(Context& context, ChatMessageReceived const& message, Conversation const& conversation);
  Task<> refuse(Context& context, Conversation const& conversation);
  Task<> stay_silent(Context& context, ChatMessageReceived const& message, Conversation const& conversation);
  Task<> fall_back(Context& context, ChatMessageReceived const& message, Conversation const& conversation,
                   std::string reason);

  ChatSettings const settings_;
  std::unique_ptr<ConversationStore> store_;
  std::unique_ptr<assistant::Model> model_;  // null in a replay
};

}  // namespace omnibus::chat
