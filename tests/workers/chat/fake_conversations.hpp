/// Conversations in memory.
#pragma once

#include "events/conversation.hpp"
#include "handler/failure.hpp"
#include "tests/common/assistant/fake_answers.hpp"
#include "workers/chat/store.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
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
  std::set<Uuid> forgotten;  ///< conversations that were deleted on purpose
  std::set<std::string> tenants{"shop.example"};
  bool consent_required = false;
  bool away = false;  ///< nothing can be read
};

/// A store over them.
class FakeConversations final : public ConversationStore {
 public:
  FakeConversations(Conversations& stored, assistant::test::RecordedAnswers const& answers)
      : stored_{stored}, answers_{answers} {}

  Task<Conversation> open(Context& context, ChatMessageReceived const& message, std::int32_t) override {
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
    co_return conversation;
  }
  bool was_deleted(UnitOfWork&, Conversation const& conversation, Uuid const&) override {
    return stored_.forgotten.contains(conversation.id);
  }
  bool append_message(UnitOfWork&, Conversation const& before, ChatMessageReceived const& message,
                      Uuid const& event_key, std::int64_t) override {
    auto& row = stored_.rows[before.id];
    if (row.handled.insert(event_key).second) row.messages.push_back({"user", message.text});
    return row.takeover_epoch == before.takeover_epoch && !row.with_person;
  }
  void append_answer(UnitOfWork&, Conversation const& conversation, Uuid const&, std::string_view text) override {
    stored_.rows[conversation.id].messages.push_back({"assistant", std::string{text}});
  }
  void record_consent(UnitOfWork&, ChatConsentRecorded const& consent, Uuid const&) override {
    auto& row = stored_.rows[conversation_id_of(consent.domain, consent.session_id)];
    if (consent.purposes.processing) row.processing = consent.purposes.processing;
  }

 private:
  Conversations& stored_;
  assistant::test::RecordedAnswers const& answers_;
};

}  // namespace omnibus::chat::test
