/// The conversations and messages of the chat worker.
#pragma once

#include "events/chat.hpp"
#include "events/consent.hpp"
#include "handler/context.hpp"
#include "uuid/uuid.hpp"
#include "workers/chat/prompt.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::chat {

/// A conversation before a turn.
struct Conversation {
  Uuid id{};
  bool already_handled = false;  ///< the message's turn was committed before
  bool resolved = false;         ///< closed: it takes no more messages
  bool allowed = true;           ///< false: the tenant asks for consent to processing, which the visitor has not given
  bool with_person = false;      ///< a person has taken it over: the assistant does not answer
  std::int32_t takeover_epoch = 0;   ///< changes when a person takes it over or gives it back
  std::vector<PastMessage> history;  ///< oldest first
  std::optional<std::string> recorded_answer;
};

/// Reads and writes conversations for the chat worker. Use it on the event loop; functions with a unit of work run on a
/// thread of the pool.
class ConversationStore {
 public:
  virtual ~ConversationStore() = default;

  /// Reads the data for a turn in one short query. At most `history` of the newest messages are read.
  /// @throws Failure (permanent) for an unknown tenant, or a conversation id that is another tenant's or session's.
  virtual Task<Conversation> open(Context& context, ChatMessageReceived const& message, std::int32_t history) = 0;

  /// In a replay: whether the message or its conversation was deleted. It must not be restored, and PostgreSQL
  /// would reject it.
  virtual bool was_deleted(UnitOfWork& unit, Conversation const& conversation, Uuid const& event_key) = 0;

  /// Stores the visitor's message, unless it is stored, and locks the conversation until the end of the transaction.
  /// @return whether the conversation is unchanged since `before`: no person has taken it over.
  virtual bool append_message(UnitOfWork& unit, Conversation const& before, ChatMessageReceived const& message,
                              Uuid const& event_key, std::int64_t received_ms) = 0;

  /// Stores the model's answer to the message of `event_key`, unless it is stored.
  virtual void append_answer(UnitOfWork& unit, Conversation const& conversation, Uuid const& event_key,
                             std::string_view text) = 0;

  /// Stores a visitor's consents, once per event, as their newest word; with an audit row if a person of the team
  /// recorded them. @throws Failure (permanent) for an unknown tenant.
  virtual void record_consent(UnitOfWork& unit, ChatConsentRecorded const& consent, Uuid const& event_key) = 0;
};

/// The same in PostgreSQL: all SQL of the chat worker.
class PostgresConversations final : public ConversationStore {
 public:
  Task<Conversation> open(Context& context, ChatMessageReceived const& message, std::int32_t history) override;
  bool was_deleted(UnitOfWork& unit, Conversation const& conversation, Uuid const& event_key) override;
  bool append_message(UnitOfWork& unit, Conversation const& before, ChatMessageReceived const& message,
                      Uuid const& event_key, std::int64_t received_ms) override;
  void append_answer(UnitOfWork& unit, Conversation const& conversation, Uuid const& event_key,
                     std::string_view text) override;
  void record_consent(UnitOfWork& unit, ChatConsentRecorded const& consent, Uuid const& event_key) override;
};

}  // namespace omnibus::chat
