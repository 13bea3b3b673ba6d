/// A conversation that the outcome worker's handler judges, without engine, broker, database and model.
#pragma once

#include "handler/fake_context.hpp"
#include "json/encode.hpp"
#include "tests/common/assistant/fake_answers.hpp"
#include "workers/outcome/handler.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace omnibus::outcome::test {

inline constexpr auto domain = "shop.example";

/// The tables in memory.
struct StoredOutcomes {
  std::vector<std::string> failures;  ///< tenant, conversation and class
  std::map<Uuid, HeldConversation> conversations;
  std::vector<JudgedOutcome> outcomes;
  std::vector<OutcomeCollaborationTracked> tracked;
  std::vector<std::string> log;  ///< such as "started analyze_outcome"
};

class FakeOutcomes final : public OutcomeStore {
 public:
  explicit FakeOutcomes(StoredOutcomes& stored) : stored_{stored} {}

  Task<std::optional<HeldConversation>> read(Context&, Uuid const& conversation) override {
    auto const found = stored_.conversations.find(conversation);
    co_return found == stored_.conversations.end() ? std::nullopt : std::optional{found->second};
  }
  bool add(UnitOfWork&, JudgedOutcome const& outcome) override {
    auto& held = stored_.conversations.at(outcome.conversation_id);
    if (std::exchange(held.judged, true)) return false;
    stored_.outcomes.push_back(outcome);
    return true;
  }
  void note_failure(UnitOfWork&, std::string const& tenant, Uuid const& conversation,
                    std::string const& error_class) override {
    stored_.failures.push_back(tenant + " " + to_string(conversation) + " " + error_class);
  }
  bool track(UnitOfWork&, OutcomeCollaborationTracked const& tracked) override {
    for (auto const& outcome : stored_.outcomes)
      if (outcome.id == tracked.outcome_id) return stored_.tracked.push_back(tracked), true;
    return false;
  }
  Task<> log_start(Context& context, processing::LoggedWork work) override {
    if (!context.replaying()) stored_.log.push_back("started " + work.action);
    co_return;
  }
  void log_end(UnitOfWork&, Context&, processing::LoggedWork const& work, processing::LoggedCost const&) override {
    stored_.log.push_back("completed " + work.action);
  }
  void log_failure(UnitOfWork&, Context&, processing::LoggedWork const& work, Failure const& failure) override {
    stored_.log.push_back("failed " + work.action + ": " + failure.error_class());
  }

 private:
  StoredOutcomes& stored_;
};

/// One conversation of four turns that ended as agreed.
struct Judging {
  Judging() {
    context.keep_consistent(stored);
    HeldConversation held{domain, true, match, "completed", "agreed_end", "STRONG_MATCH", false, {}};
    held.turns = {{1, "agent_a", "I build timber bridges and look for tests."},
                  {2, "agent_b", "I run a lab that tests timber joints."},
                  {3, "agent_a", "Could we test two joints in March?"},
                  {4, "agent_b", "Yes, in the first week of March."}};
    stored.conversations.emplace(conversation, held);
    handler.emplace(settings, std::make_unique<FakeOutcomes>(stored), model.make(settings));
  }

  HeldConversation& held() { return stored.conversations.at(conversation); }
  /// What the model says of it.
  static OutcomeJudgement judgement(std::string outcome = "STRONG_MATCH") {
    OutcomeJudgement judged;
    judged.outcome = std::move(outcome);
    judged.interest_of_both = judged.concrete_step = judged.time_named = judged.both_offer = "yes";
    judged.nothing_in_the_way = "partly";
    judged.summary = "They agree to test two joints.";
    judged.key_moments = {{3, "agent_a asks for a test."}, {4, "agent_b names a week."}};
    judged.analysis = "Both need what the other has.";
    judged.next_steps = {{"Test two joints.", "high", "first week of March"}};
    judged.follow_up_timeframe = "in March";
    return judged;
  }
  /// As the wire has it: null is written.
  static std::string answer(OutcomeJudgement const& judged) {
    auto text = json::encode(judged);
    if (!judged.follow_up_timeframe) text.insert(text.size() - 1, R"(,"follow_up_timeframe":null)");
    return text;
  }
  void say(OutcomeJudgement const& judged) { model.script.say(answer(judged)); }
  auto complete() {
    return context.hand(*handler, AgentConversationCompleted{domain, match, conversation, "agreed_end", 4});
  }
  auto request() { return context.hand(*handler, OutcomeAnalysisRequested{domain, match, conversation, admin}); }

  Uuid const match = name_uuid(Uuid{}, "match");
  Uuid const conversation = name_uuid(Uuid{}, "conversation");
  Uuid const admin = name_uuid(Uuid{}, "admin");
  OutcomeSettings settings;
  FakeContext context{"outcome"};
  StoredOutcomes stored;
  assistant::test::FakeModel model{context};
  std::optional<OutcomeHandler> handler;
};

}  // namespace omnibus::outcome::test
