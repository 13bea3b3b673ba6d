/// What came of each conversation of two agents.
#pragma once

#include "assistant/model.hpp"
#include "events/agent_conversation.hpp"
#include "events/outcome.hpp"
#include "handler/handler.hpp"
#include "processing/processing_log.hpp"
#include "workers/outcome/config.hpp"
#include "workers/outcome/store.hpp"

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace omnibus::outcome {

/// Judges each completed conversation once: a model answers by the rubric, from the transcript alone; the scores are
/// computed from its answer and the stored turns; outcome, scores and events are committed together. A conversation
/// that failed or still runs is not judged. A replay asks no model: it stores what a recorded answer says.
class OutcomeHandler {
 public:
  static constexpr std::string_view name = "outcome";
  static constexpr std::string_view summary = "Judges the conversations of agents and scores what was predicted.";
  using Settings = OutcomeSettings;
  using Events = EventList<AgentConversationCompleted, OutcomeAnalysisRequested, OutcomeCollaborationTracked>;

  OutcomeHandler(Resources& resources, OutcomeSettings const& settings)
      : OutcomeHandler{settings, std::make_unique<PostgresOutcomes>(),
                       std::make_unique<assistant::Model>(resources, settings)} {}
  OutcomeHandler(OutcomeSettings const& settings, std::unique_ptr<OutcomeStore> store,
                 std::unique_ptr<assistant::Model> model)
      : settings_{settings}, store_{std::move(store)}, model_{std::move(model)} {}

  Task<> handle(Context& context, AgentConversationCompleted const& completed);
  Task<> handle(Context& context, OutcomeAnalysisRequested const& request);
  Task<> handle(Context& context, OutcomeCollaborationTracked const& tracked);
  /// Ends the row of the processing log.
  void gave_up(Context& context, AgentConversationCompleted const& completed, Failure const& failure, UnitOfWork& unit);
  void gave_up(Context& context, OutcomeAnalysisRequested const& request, Failure const& failure, UnitOfWork& unit);
  void gave_up(Context& context, OutcomeCollaborationTracked const& tracked, Failure const& failure, UnitOfWork& unit);

 private:
  /// What both requests for a judgement leave behind.
  void give_up(Context& context, processing::LoggedWork const& work, Failure const& failure, UnitOfWork& unit);
  Task<> judge(Context& context, Uuid match, processing::LoggedWork work);
  /// Asks the model, or finds its recorded answer. Nothing in a replay without one.
  Task<std::optional<assistant::Structured<OutcomeJudgement>>> ask(Context& context, HeldConversation const& held,
                                                                   Uuid const& conversation);
  JudgedOutcome score(HeldConversation const& held, Uuid const& conversation, OutcomeJudgement judgement) const;

  OutcomeSettings const settings_;
  std::unique_ptr<OutcomeStore> store_;
  std::unique_ptr<assistant::Model> model_;
};

}  // namespace omnibus::outcome
