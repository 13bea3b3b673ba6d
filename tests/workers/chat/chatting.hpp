/// The chat worker's handler without engine, broker, database and model.
#pragma once

#include "handler/classify.hpp"
#include "handler/fake_context.hpp"
#include "tests/common/assistant/fake_answers.hpp"
#include "tests/workers/chat/fake_conversations.hpp"
#include "workers/chat/handler.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace omnibus::chat::test {

/// A handler, its model and what it stores, of one visitor's message.
struct Chat {
  explicit Chat(bool replay = false, std::string fallback_model = {},
                std::chrono::milliseconds give_up_after = std::chrono::minutes{2}) {
    settings.llm_give_up_after = give_up_after;
    settings.llm_fallback_model = std::move(fallback_model);
    context.keep_consistent(stored);
    if (replay) context.replay();
    handler.emplace(settings, std::make_unique<FakeConversations>(stored, model.answers),
                    replay ? nullptr : model.make(settings));
  }

  auto hand() { return context.hand(*handler, message); }
  /// Keeps an answer to the event that was handed over last, as an earlier run of it did.
  void record(std::string text) {
    auto const key = context.event_key();
    model.answers[{key, key}].text = std::move(text);
    stored.outcomes[key] = TurnOutcome::answered;
  }
  auto& row() { return stored.rows[conversation]; }
  std::vector<std::string> said() {
    std::vector<std::string> said;
    for (auto const& each : row().messages) said.push_back(each.role + ": " + each.content);
    return said;
  }

  ChatSettings settings;
  ChatMessageReceived const message{"shop.example", "s1", "Where is my card?", {}};
  Uuid const conversation = conversation_id_of("shop.example", "s1");
  FakeContext context{"chat"};
  Conversations stored;
  assistant::test::FakeModel model{context};
  std::optional<ChatHandler> handler;
};

inline std::vector<std::string> const question_and_answer{"user: Where is my card?", "assistant: On its way."};

}  // namespace omnibus::chat::test
