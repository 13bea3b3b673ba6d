/// Conversations of agents in memory.
#pragma once

#include "workers/conversation/store.hpp"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace omnibus::conversation::test {

/// What is stored. A plain value, so that a FakeContext can put it back when a commit fails.
struct StoredConversations {
  struct Row {
    std::string status = "active";
    std::string stop_reason = {};
    std::string error = {};
    std::vector<NewTurn> turns = {};
    assistant::Spent spent = {};
    std::string model = {};
  };
  std::map<Uuid, Row> rows;
  std::set<Uuid> erased;
  std::set<Uuid> begun;           ///< events that began a conversation
  std::vector<std::string> logs;  ///< what ended, and how
};

/// What the tests set beside it: the match, its people and the clock.
struct Surroundings {
  bool tenant_known = true;
  bool tenant_active = true;
  bool match_known = true;
  bool match_open = true;  ///< active, and without a conversation that runs or was held
  bool may_go_on = true;
  std::optional<Uuid> match = {};  ///< of all conversations; none: whatever the event says
  std::chrono::milliseconds age{0};
  std::vector<GuidingInsight> insights;
  Story story_a{"I build timber bridges.", std::nullopt, {"tests"}, {"bridges"}};
  Story story_b{"I test joints.", std::nullopt, {"bridges"}, {"tests"}};
};

/// A store over them.
class FakeAgentConversations final : public AgentConversations {
 public:
  FakeAgentConversations(StoredConversations& stored, Surroundings const& around) : stored_{stored}, around_{around} {}

  Task<OpenConversation> open(Context&, AgentTurnRequested const& event, std::int32_t) override {
    if (!around_.tenant_known) throw Failure::permanent("domain is no tenant", "unknown_tenant");
    OpenConversation open;
    open.tenant_active = around_.tenant_active;
    open.match_id = event.match_id;
    auto const found = stored_.rows.find(event.conversation_id);
    if (around_.match && around_.match != event.match_id) co_return open;
    if (found == stored_.rows.end()) {
      if (stored_.erased.contains(event.conversation_id)) open.state = OpenConversation::State::erased;
      co_return open;
    }
    auto const& row = found->second;
    open.state = row.status == "active" ? OpenConversation::State::running : OpenConversation::State::ended;
    open.may_go_on = around_.may_go_on;
    open.turns = std::ssize(row.turns);
    open.age = around_.age;
    open.totals = {row.spent.prompt_tokens + row.spent.completion_tokens, row.spent.cost_nano_usd};
    auto const is_a = event.turn_number % 2 == 1;
    open.own_handle = is_a ? "Zoë O'Brien" : "助手 <1>";
    open.other_handle = is_a ? "助手 <1>" : "Zoë O'Brien";
    open.story = is_a ? around_.story_a : around_.story_b;
    open.insights = around_.insights;
    for (auto& insight : open.insights)
      for (auto const& turn : row.turns)
        for (auto const& given : turn.insights)
          if (given.id == insight.id && given.extent == Extent::advanced) insight.advanced = true;
    for (auto const& turn : row.turns) open.history.push_back({turn.speaker_role, turn.message});
    co_return open;
  }
  void begin(UnitOfWork&, AgentConversationRequested const& event, std::function<void(Beginning)> then) override {
    auto const beginning = obstacle(event);
    if (beginning == Beginning::begun) stored_.rows[event.conversation_id] = {};
    then(beginning);
  }
  Beginning begin_again(UnitOfWork&, AgentConversationRequested const& event, Uuid const& event_key) override {
    if (stored_.erased.contains(event.conversation_id)) return Beginning::erased;
    if (!stored_.begun.contains(event_key)) return Beginning::not_open;
    stored_.rows.try_emplace(event.conversation_id);
    return Beginning::begun;
  }
  bool fail_to_begin(UnitOfWork&, AgentConversationRequested const& event, ConversationEnd const& end) override {
    if (!around_.match_open || stored_.rows.contains(event.conversation_id)) return false;
    stored_.rows[event.conversation_id] = {"failed", std::string{to_string(end.reason)}, end.error};
    return true;
  }
  void store_turn(UnitOfWork&, Uuid const&, NewTurn turn, std::function<void(StoredTurn)> then) override {
    auto const found = stored_.rows.find(turn.conversation_id);
    if (found == stored_.rows.end())
      return then({stored_.erased.contains(turn.conversation_id) ? TurnStorage::erased : TurnStorage::not_next});
    auto& row = found->second;
    StoredTurn stored{TurnStorage::not_next};
    for (auto const& each : row.turns) stored.earlier.push_back({each.message, each.wants_to_end});
    if (row.status == "active" && std::ssize(row.turns) + 1 == turn.turn_number) {
      stored.storage = TurnStorage::stored;
      row.spent.add(turn.spent);
      if (!turn.model.empty()) row.model = turn.model;
      if (!turn.message.empty()) row.turns.push_back(std::move(turn));
    }
    then(std::move(stored));
  }
  void end(UnitOfWork&, Uuid const& id, ConversationEnd end) override {
    auto& row = stored_.rows.at(id);
    row.status = is_failure(end.reason) ? "failed" : "completed";
    row.stop_reason = to_string(end.reason);
    row.error = std::move(end.error);
  }
  Task<> log_start(Context& context, processing::LoggedWork work) override {
    auto starting =
        context.checkpoint("started", [&](UnitOfWork&) { stored_.logs.push_back(work.action + " started"); });
    co_await std::move(starting);
  }
  void log_end(UnitOfWork&, Context& context, processing::LoggedWork const& work, assistant::Spent const&) override {
    if (work.action == "begin_conversation") stored_.begun.insert(context.event_key());
    stored_.logs.push_back(work.action + " completed");
  }
  void log_failure(UnitOfWork&, Context&, processing::LoggedWork const& work, Failure const& failure) override {
    stored_.logs.push_back(work.action + " failed " + failure.error_class());
  }

 private:
  Beginning obstacle(AgentConversationRequested const& event) const {
    if (!around_.tenant_known) return Beginning::unknown_tenant;
    if (stored_.erased.contains(event.conversation_id)) return Beginning::erased;
    if (!around_.match_known) return Beginning::unknown_match;
    if (!around_.tenant_active) return Beginning::inactive_tenant;
    if (!around_.match_open || stored_.rows.contains(event.conversation_id)) return Beginning::not_open;
    return Beginning::begun;
  }

  StoredConversations& stored_;
  Surroundings const& around_;
};

}  // namespace omnibus::conversation::test
