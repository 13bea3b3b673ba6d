/// The conversations and messages of the chat worker.
#pragma once

#include "assistant/recorded_answer.hpp"
#include "events/chat.hpp"
#include "events/consent.hpp"
#include "handler/context.hpp"
#include "uuid/uuid.hpp"
#include "workers/chat/prompt.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe/enum.hpp>

namespace omnibus::chat {

/// What became of a turn. It is stored with it, and a replay follows it.
enum class TurnOutcome : std::uint8_t {
  answered,
  suppressed,  ///< a person has the conversation
  fallback,    ///< no model answered: the visitor got the fixed text
  parked,      ///< given up; nothing of it is stored
};
BOOST_DESCRIBE_ENUM(TurnOutcome, answered, suppressed, fallback, parked)

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
  std::optional<TurnOutcome> outcome;  ///< of the message's turn, once it has ended
};

/// A turn to be stored.
struct ChatTurn {
  Uuid event_key{};
  Uuid conversation_id{};
  std::string domain;
  std::string session_id;
  std::string text;                 ///< the visitor's
  std::int64_t received_ms = 0;     ///< since 1970
  std::int32_t takeover_epoch = 0;  ///< of the conversation before the turn
  TurnOutcome outcome = TurnOutcome::answered;
  std::string answer = {};                                           ///< if it is answered
  std::optional<assistant::RecordedAnswer> paid_for = std::nullopt;  ///< to be recorded, unless it was before
};

/// Reads and writes conversations for the chat worker. Use it on the event loop; functions with a unit of work run on a
/// thread of the pool.
class ConversationStore {
 public:
  virtual ~ConversationStore() = default;

  /// Reads the data for a turn, in one round trip with other turns. Of the history the newest messages are read whose
  /// estimated tokens are within `history_tokens`, and no more than a prompt holds.
  /// @throws Failure (permanent) for an unknown tenant, or a conversation id that is another tenant's or session's.
  virtual Task<Conversation> open(Context& context, ChatMessageReceived const& message,
                                  std::int64_t history_tokens) = 0;

  /// In a replay: whether the message or its conversation was deleted. It must not be restored, and PostgreSQL
  /// would reject it.
  virtual bool was_deleted(UnitOfWork& unit, ChatTurn const& turn) = 0;

  /// Stores the visitor's message and the answer, unless they are stored, with what is to be recorded and the outcome,
  /// in one statement with the turns of other events. Locks the conversation until the end of the transaction. If a
  /// person has taken it over since it was read, the answer is left out. Then calls `then` with the outcome.
  virtual void store_turn(UnitOfWork& unit, ChatTurn turn, std::function<void(TurnOutcome)> then) = 0;

  /// In a replay: stores the visitor's message and the answer again, as the turn's outcome was.
  virtual void store_again(UnitOfWork& unit, ChatTurn turn) = 0;

  /// The turn of this event is given up: a replay must not store its answer, if one was recorded.
  virtual void note_parked(UnitOfWork& unit, Uuid const& event_key) = 0;

  /// Stores a visitor's consents, once per event, as their newest word; with an audit row if a person of the team
  /// recorded them. @throws Failure (permanent) for an unknown tenant.
  virtual void record_consent(UnitOfWork& unit, ChatConsentRecorded const& consent, Uuid const& event_key) = 0;
};

/// The same in PostgreSQL: all SQL of the chat worker.
class PostgresConversations final : public ConversationStore {
 public:
  Task<Conversation> open(Context& context, ChatMessageReceived const& message, std::int64_t history_tokens) override;
  bool was_deleted(UnitOfWork& unit, ChatTurn const& turn) override;
  void store_turn(UnitOfWork& unit, ChatTurn turn, std::function<void(TurnOutcome)> then) override;
  void store_again(UnitOfWork& unit, ChatTurn turn) override;
  void note_parked(UnitOfWork& unit, Uuid const& event_key) override;
  void record_consent(UnitOfWork& unit, ChatConsentRecorded const& consent, Uuid const& event_key) override;
};

}  // namespace omnibus::chat
