/// Conversations in memory.
#pragma once

#include "events/conversation.hpp"
#include "handler/failure.hpp"
#include "tests/common/assistant/fake_answers.hpp"
#include "workers/chat/store.hpp"

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace omnibus::chat::test {

/// What is stored. A plain value, so that a FakeContext can put it back when a commit fails.
struct Conversations {
  struct Row {
    bool resolved = false;
    bool with_person = false;
    std::int32_t takeover_epoch = 0;
    std::vector<PastMessage> messages;
    std::set<Uuid> handled;          ///< events whose message is stored
    std::optional<bool> processing;  ///< the visitor's newest word on it
  };
  std::map<Uuid, Row> rows;
  std::map<Uuid, TurnOutcome> outcomes;  ///< by event
  std::set<Uuid> forgotten;              ///< conversations that were deleted on purpose
  std::set<std::string> tenants{"shop.example"};
  bool consent_required = false;
  bool away = false;  ///< nothing can be read
};

/// A store over them.
class FakeConversations final : public ConversationStore {
 public:
  FakeConversations(Conversations& stored, assistant::test::RecordedAnswers& answers)
      : stored_{stored}, answers_{answers} {}

  Task<Conversation> open(Context& context, ChatMessageReceived const& message, std::int64_t) override {
    if (stored_.away) throw Failure::outage("the database is away");
    if (!stored_.tenants.contains(message.domain)) throw Failure::permanent("domain is no tenant", "unknown_tenant");
    Conversation conversation;
    conversation.id = message.conversation_id.value_or(conversation_id_of(message.domain, message.session_id));
    auto const& row = stored_.rows[conversation.id];
    conversation.allowed = !stored_.consent_required || row.processing.value_or(false);
    conversation.resolved = row.resolved;
    conversation.with_person = row.with_person;
    conversation.takeover_epoch = row.takeover_epoch;
    conversation.history = row.messages;
    conversation.already_handled = row.handled.contains(context.event_key());
    auto const key = context.event_key();
    if (auto const found = answers_.find({key, key}); found != answers_.end())
      conversation.recorded_answer = found->second.text;
    if (auto const found = stored_.outcomes.find(key); found != stored_.outcomes.end())
      conversation.outcome = found->second;
    co_return conversation;
  }
  bool was_deleted(UnitOfWork&, ChatTurn const& turn) override {
    return stored_.forgotten.contains(turn.conversation_id);
  }
  void store_turn(UnitOfWork&, ChatTurn turn, std::function<void(TurnOutcome)> then) override {
    auto const& row = stored_.rows[turn.conversation_id];
    auto const touched = row.takeover_epoch != turn.takeover_epoch || row.with_person;
    if (turn.outcome == TurnOutcome::answered && touched) turn.outcome = TurnOutcome::suppressed;
    if (turn.paid_for) answers_.emplace(std::pair{turn.event_key, turn.event_key}, *turn.paid_for);
    stored_.outcomes[turn.event_key] = turn.outcome;
    store(turn);
    then(turn.outcome);
  }
  void store_again(UnitOfWork&, ChatTurn turn) override { store(turn); }
  void note_parked(UnitOfWork&, Uuid const& event_key) override {
    if (answers_.contains({event_key, event_key})) stored_.outcomes[event_key] = TurnOutcome::parked;
  }
  void record_consent(UnitOfWork&, ChatConsentRecorded const& consent, Uuid const&) override {
    auto& row = stored_.rows[conversation_id_of(consent.domain, consent.session_id)];
    if (consent.purposes.processing) row.processing = consent.purposes.processing;
  }

 private:
  void store(ChatTurn const& turn) {
    auto& row = stored_.rows[turn.conversation_id];
    if (!row.handled.insert(turn.event_key).second) return;
    row.messages.push_back({"user", turn.text});
    if (turn.outcome == TurnOutcome::answered) row.messages.push_back({"assistant", turn.answer});
  }

  Conversations& stored_;
  assistant::test::RecordedAnswers& answers_;
};

}  // namespace omnibus::chat::test
