/// A conversation worker with everything it needs, in memory.
#pragma once

#include "handler/fake_context.hpp"
#include "json/encode.hpp"
#include "tests/common/assistant/fake_answers.hpp"
#include "tests/workers/conversation/fake_agent_conversations.hpp"
#include "workers/conversation/handler.hpp"
#include "workers/conversation/turn_answer.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace omnibus::conversation::test {

struct Talk {
  using Kind = FakeContext::Kind;

  explicit Talk(bool begun = true) {
    context.keep_consistent(stored);
    settings.llm_max_attempts = 3;
    set_up();
    if (begun) stored.rows[conversation] = {};
  }

  /// A worker with the settings as they are now, such as after a restart.
  void set_up() {
    handler.emplace(settings, std::make_unique<FakeAgentConversations>(stored, around), model.make(settings));
  }

  /// Lets the model answer this next.
  void say(std::string message, bool end = false, std::vector<Uuid> touched = {}, std::vector<Uuid> advanced = {}) {
    say_raw(json::encode(TurnAnswer{std::move(message), end, std::move(touched), std::move(advanced)}));
  }
  void say_raw(std::string text, std::string finish_reason = "stop") {
    model.script.say(std::move(text));
    auto& answer = model.script.answers.back();
    answer.finish_reason = std::move(finish_reason);
    answer.usage = usage;
  }

  AgentTurnRequested request(std::int64_t number) const { return {"shop.example", conversation, match, number}; }
  FakeContext::Result begin() {
    return context.hand(*handler, AgentConversationRequested{"shop.example", conversation, match});
  }
  FakeContext::Result turn(std::int64_t number) { return context.hand(*handler, request(number)); }
  /// Hands over the turns that are requested until none is.
  void run() {
    while (row().status == "active") REQUIRE(turn(std::ssize(row().turns) + 1) == Kind::handled);
  }

  StoredConversations::Row& row() { return stored.rows.at(conversation); }
  std::vector<std::string> said() {
    std::vector<std::string> messages;
    for (auto const& each : row().turns) messages.push_back(each.message);
    return messages;
  }
  /// The turn that was requested last; 0 when none was.
  std::int64_t requested() const {
    auto const all = context.published<AgentTurnRequested>();
    return all.empty() ? 0 : all.back().turn_number;
  }
  /// The reason of the only end that was published; else empty.
  std::string ended() const {
    auto const completed = context.published<AgentConversationCompleted>();
    auto const failed = context.published<AgentConversationFailed>();
    if (completed.size() + failed.size() != 1) return {};
    return completed.empty() ? failed[0].stop_reason : completed[0].stop_reason;
  }

  Uuid const conversation = name_uuid(Uuid{}, "conversation");
  Uuid const match = name_uuid(Uuid{}, "match");
  ConversationSettings settings;
  llm::Usage usage{100, 20, 0, 0, false};
  FakeContext context{"conversation"};
  StoredConversations stored;
  Surroundings around;
  assistant::test::FakeModel model{context};
  std::optional<ConversationHandler> handler;
};

}  // namespace omnibus::conversation::test
