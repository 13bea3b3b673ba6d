/// What the chat worker keeps.
#pragma once

#include "events/chat.hpp"
#include "handler/context.hpp"
#include "uuid/uuid.hpp"
#include "workers/chat/prompt.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::chat {

/// A conversation as it stands before a turn.
struct Conversation {
  Uuid id{};
  bool already_handled = false;      ///< the message's turn was committed before
  bool resolved = false;             ///< closed: it takes no more messages
  bool with_person = false;          ///< a person has taken it over: the assistant is silent
  std::int32_t takeover_epoch = 0;   ///< changes when somebody takes it over or gives it back
  std::vector<PastMessage> history;  ///< oldest first
  std::optional<std::string> recorded_answer;
};

/// The conversations as the chat worker reads and writes them. Belongs to the event loop; what takes a unit of work is
/// called on a thread of the pool.
class ConversationStore {
 public:
  virtual ~ConversationStore() = default;

  /// Reads what a turn needs, in one short read. At most `history` of the newest messages are read.
  /// @throws Failure (permanent) for an unknown tenant, or a conversation id that is another tenant's or session's.
  virtual Task<Conversation> open(Context& context, ChatMessageReceived const& message, std::int32_t history) = 0;

  /// In a replay: whether the message or its conversation was deleted on purpose. It may not come back, and PostgreSQL
  /// would refuse it.
  virtual bool was_deleted(UnitOfWork& unit, Conversation const& conversation, Uuid const& event_key) = 0;

  /// Stores the visitor's message, unless it is stored, and locks the conversation until the end of the transaction.
  /// @return whether the conversation is still as `before` has it: nobody has taken it over since.
  virtual bool append_message(UnitOfWork& unit, Conversation const& before, ChatMessageReceived const& message,
                              Uuid const& event_key, std::int64_t received_ms) = 0;

  /// Stores the model's answer to the message of `event_key`, unless it is stored.
  virtual void append_answer(UnitOfWork& unit, Conversation const& conversation, Uuid const& event_key,
                             std::string_view text) = 0;
};

/// The same in PostgreSQL: all the SQL of the chat worker.
class PostgresConversations final : public ConversationStore {
 public:
  Task<Conversation> open(Context& context, ChatMessageReceived const& message, std::int32_t history) override;
  bool was_deleted(UnitOfWork& unit, Conversation const& conversation, Uuid const& event_key) override;
  bool append_message(UnitOfWork& unit, Conversation const& before, ChatMessageReceived const& message,
                      Uuid const& event_key, std::int64_t received_ms) override;
  void append_answer(UnitOfWork& unit, Conversation const& conversation, Uuid const& event_key,
                     std::string_view text) override;
};

}  // namespace omnibus::chat
