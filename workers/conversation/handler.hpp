/// Conversations between the agents of two people, one event a turn.
#pragma once

#include "assistant/model.hpp"
#include "events/agent_conversation.hpp"
#include "handler/handler.hpp"
#include "workers/conversation/config.hpp"
#include "workers/conversation/store.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace omnibus::conversation {

/// Holds conversations. A turn reads what is stored, asks the model once, and stores its message together with the
/// request for the next turn or the conversation's end: after a crash it goes on where it was. The answer is recorded
/// in the same commit, under the turn's event; only what was in flight at a crash is asked for again. Nothing is kept
/// in memory between turns. Whatever goes wrong ends the conversation with a stop reason. A replay asks no model: it
/// stores lost turns again from their recorded answers.
class ConversationHandler {
 public:
  static constexpr std::string_view name = "conversation";
  static constexpr std::string_view summary = "Lets the agents of two matched people talk with each other.";
  using Settings = ConversationSettings;
  using Events = EventList<AgentConversationRequested, AgentTurnRequested>;

  /// Also shows the number of running conversations in the metrics, until the event loop ends.
  ConversationHandler(Resources& resources, ConversationSettings const& settings);
  ConversationHandler(ConversationSettings const& settings, std::unique_ptr<AgentConversations> store,
                      std::unique_ptr<assistant::Model> model)
      : settings_{settings}, store_{std::move(store)}, model_{std::move(model)} {}

  Task<> handle(Context& context, AgentConversationRequested const& event);
  Task<> handle(Context& context, AgentTurnRequested const& event);
  /// Ends the conversation that cannot begin, or cannot go on, so that its match does not wait for it.
  void gave_up(Context& context, AgentConversationRequested const& event, Failure const& failure, UnitOfWork& unit);
  void gave_up(Context& context, AgentTurnRequested const& event, Failure const& failure, UnitOfWork& unit);

 private:
  /// What came of a turn: a message to store, or why the conversation ends without one.
  struct Result {
    NewTurn turn = {};
    std::optional<ConversationEnd> end = {};
    std::optional<assistant::UnrecordedAnswer> unrecorded = {};
  };

  /// Why the conversation ends before the turn is asked for, if it does.
  std::optional<ConversationEnd> end_before(AgentTurnRequested const& event, OpenConversation const& open) const;
  Task<Result> ask(Context& context, AgentTurnRequested const& event, OpenConversation open,
                   std::int32_t history_tokens);
  Task<bool> settle(Context& context, AgentTurnRequested const& event, Uuid const& match_id, Result const& result);
  void store_result(UnitOfWork& unit, Context& context, AgentTurnRequested const& event, Uuid const& match_id,
                    Result const& result);

  ConversationSettings const settings_;
  std::unique_ptr<AgentConversations> const store_;
  std::unique_ptr<assistant::Model> const model_;
};

}  // namespace omnibus::conversation
