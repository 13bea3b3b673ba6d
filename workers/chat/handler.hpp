/// One LLM turn per visitor message.
#pragma once

#include "assistant/model.hpp"
#include "engine/worker.hpp"
#include "events/chat.hpp"
#include "llm/llm.hpp"
#include "workers/chat/config.hpp"
#include "workers/chat/store.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace omnibus::chat {

/// Answers a visitor's message with the model and keeps both in the conversation. The answer is recorded before
/// anything else is written, so that it is paid for once; a conversation that a person takes over in the meantime gets
/// no reply; when no model answers, the visitor gets a text of ours, which is never stored as an answer. A replay asks
/// no model: it stores a turn again, where that is lost, with the answer that was recorded for it.
class ChatHandler {
 public:
  static constexpr std::string_view name = "chat";
  static constexpr std::string_view summary = "Answers visitors' chat messages with a language model.";
  using Settings = ChatSettings;
  using Events = EventList<ChatMessageReceived>;

  ChatHandler(Resources& resources, ChatSettings const& settings) : settings_{settings} {
    if (!resources.replay) model_.emplace(resources, settings);
  }

  Task<> handle(engine::Context& context, ChatMessageReceived const& message);

 private:
  Task<std::string> ask(engine::Context& context, ChatMessageReceived const& message, Conversation const& conversation);
  Task<> answer(engine::Context& context, ChatMessageReceived const& message, Conversation const& conversation,
                std::string text);
  Task<> replay(engine::Context& context, ChatMessageReceived const& message, Conversation const& conversation);
  Task<> stay_silent(engine::Context& context, ChatMessageReceived const& message, Conversation const& conversation);
  Task<> fall_back(engine::Context& context, ChatMessageReceived const& message, Conversation const& conversation,
                   std::string reason);

  ChatSettings const settings_;
  std::optional<assistant::Model> model_;  // none in a replay
};

}  // namespace omnibus::chat
