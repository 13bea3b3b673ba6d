/// Handles everything that changes people and matches.
#pragma once

#include "assistant/model.hpp"
#include "events/agent_conversation.hpp"
#include "events/match.hpp"
#include "events/people.hpp"
#include "events/tick.hpp"
#include "handler/handler.hpp"
#include "processing/processing_log.hpp"
#include "workers/match/candidate_store.hpp"
#include "workers/match/config.hpp"
#include "workers/match/match_store.hpp"
#include "workers/match/people_store.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace omnibus::match {

/// Where the handler reads and writes.
struct MatchStores {
  std::unique_ptr<PeopleStore> people;
  std::unique_ptr<CandidateStore> candidates;
  std::unique_ptr<MatchStore> matches;
};

/// Stores people, finds pairs, has a model analyse them, schedules and activates their matches, and ends them when
/// their conversations end. Only this worker writes people and matches. A replay restores analyses whose answers are
/// recorded, and schedules and activates nothing.
class MatchHandler {
 public:
  static constexpr std::string_view name = "match";
  static constexpr std::string_view summary = "Matches people: finds pairs, analyses them, schedules conversations.";
  using Settings = MatchSettings;
  using Events = EventList<PersonRecorded, MatchBatchRequested, MatchPairRequested, MatchManualRequested,
                           MatchInsightsOverrideRequested, MatchMidnightRequested, TickMidnight,
                           AgentConversationCompleted, AgentConversationFailed>;

  MatchHandler(Resources& resources, MatchSettings const& settings);
  MatchHandler(MatchSettings const& settings, MatchStores stores, std::unique_ptr<assistant::Model> model)
      : settings_{settings},
        people_{std::move(stores.people)},
        candidates_{std::move(stores.candidates)},
        matches_{std::move(stores.matches)},
        model_{std::move(model)} {}

  Task<> handle(Context& context, PersonRecorded const& person);
  Task<> handle(Context& context, MatchBatchRequested const& request);
  Task<> handle(Context& context, MatchPairRequested const& request);
  Task<> handle(Context& context, MatchManualRequested const& request);
  Task<> handle(Context& context, MatchInsightsOverrideRequested const& request);
  Task<> handle(Context& context, MatchMidnightRequested const& request);
  Task<> handle(Context& context, TickMidnight const& tick);
  Task<> handle(Context& context, AgentConversationCompleted const& ended);
  Task<> handle(Context& context, AgentConversationFailed const& ended);

  void gave_up(Context& context, PersonRecorded const& person, Failure const& failure, UnitOfWork& unit);
  void gave_up(Context& context, MatchBatchRequested const& request, Failure const& failure, UnitOfWork& unit);
  /// Publishes that the pair could not be analysed, and cancels a match that waits for it.
  void gave_up(Context& context, MatchPairRequested const& request, Failure const& failure, UnitOfWork& unit);
  void gave_up(Context& context, MatchManualRequested const& request, Failure const& failure, UnitOfWork& unit);
  void gave_up(Context& context, MatchInsightsOverrideRequested const& request, Failure const& failure,
               UnitOfWork& unit);
  void gave_up(Context& context, MatchMidnightRequested const& request, Failure const& failure, UnitOfWork& unit);
  void gave_up(Context& context, AgentConversationCompleted const& ended, Failure const& failure, UnitOfWork& unit);
  void gave_up(Context& context, AgentConversationFailed const& ended, Failure const& failure, UnitOfWork& unit);

 private:
  /// A request to analyse a pair.
  struct PairRequest {
    std::string domain;
    Pair pair;
    bool manual = false;          ///< scheduled whatever its score
    std::optional<Uuid> batch{};  ///< the batch that found it
    std::optional<Uuid> actor{};
  };
  static PairRequest request_of(MatchPairRequested const& request);
  static PairRequest request_of(MatchManualRequested const& request);
  static processing::LoggedWork pair_work(PairRequest const& request);

  Task<> check_zone(Context& context, std::string const& zone);
  /// A batch's pairs, and what choosing them took.
  struct Choice {
    std::vector<Pair> pairs;
    processing::LoggedCost spent{};
  };
  Task<Choice> choose(Context& context, MatchBatchRequested const& request, std::vector<Pair> candidates,
                      std::size_t batch_size);
  Task<> analyze(Context& context, PairRequest request);
  /// Completes the event without an analysis.
  Task<> leave(Context& context, processing::LoggedWork work);
  /// Completes the event of a pair that may not meet by now, and cancels its match if it waits for an analysis.
  Task<> withdraw(Context& context, PairRequest const& request);
  assistant::StructuredQuestion question_about(PairState state) const;
  Task<assistant::Structured<PairAnalysis>> ask(Context& context, PairRequest const& request,
                                                assistant::StructuredQuestion question, Uuid match);
  Task<> store(Context& context, PairRequest const& request, OpenMatch const& match,
               assistant::Structured<PairAnalysis> const& asked);
  Task<> restore(Context& context, PairRequest const& request);
  void give_up(Context& context, PairRequest const& request, Failure const& failure, UnitOfWork& unit);
  void activate(UnitOfWork& unit, ActivationScope const& scope, std::vector<DueMatch>& due);
  Task<std::int64_t> activate_all(Context& context, ActivationScope scope);

  MatchSettings const settings_;
  std::unique_ptr<PeopleStore> const people_;
  std::unique_ptr<CandidateStore> const candidates_;
  std::unique_ptr<MatchStore> const matches_;
  std::unique_ptr<assistant::Model> const model_;
  matches::TimeZones zones_;  ///< as read last
};

/// What the processing log says that a question took.
processing::LoggedCost spent_of(assistant::Asked const& asked);

}  // namespace omnibus::match
