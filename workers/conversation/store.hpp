/// The conversations and turns of the conversation worker.
#pragma once

#include "assistant/spent.hpp"
#include "assistant/structured.hpp"
#include "events/agent_conversation.hpp"
#include "handler/context.hpp"
#include "handler/failure.hpp"
#include "processing/processing_log.hpp"
#include "uuid/uuid.hpp"
#include "workers/conversation/guidance.hpp"
#include "workers/conversation/prompt.hpp"
#include "workers/conversation/stops.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/enum.hpp>

namespace omnibus::conversation {

/// The step of a turn's event under which its answer is recorded.
inline constexpr std::string_view turn_step = "turn";

/// A conversation as a turn finds it.
struct OpenConversation {
  enum class State : std::uint8_t {
    unknown,  ///< there has never been one
    erased,   ///< it was deleted with one of its people
    running,
    ended,
  };

  State state = State::unknown;
  bool tenant_active = true;
  Uuid match_id{};
  bool may_go_on = true;  ///< both people consent and are approved, neither blocks the other, the match is active
  std::int64_t turns = 0;
  std::chrono::milliseconds age{0};  ///< since it began
  ConversationTotals totals{};
  Uuid speaker_id{};  ///< whose agent speaks in this turn
  std::string own_handle;
  std::string other_handle;
  Story story;                                           ///< of the speaker
  std::vector<GuidingInsight> insights;                  ///< of the match, without risks
  std::vector<PastTurn> history;                         ///< the newest, oldest first
  std::optional<assistant::LookedUpAnswer> answer = {};  ///< the recorded one to this turn, where it was looked for
};

/// A turn to be stored.
struct NewTurn {
  Uuid conversation_id{};
  std::int64_t turn_number = 0;
  Uuid speaker_id{};
  std::string speaker_role = {};
  std::string message = {};  ///< empty: nothing was said, and only what was spent is stored
  bool wants_to_end = false;
  std::vector<GivenInsight> insights = {};  ///< that it was given
  assistant::Spent spent = {};
  std::string model = {};  ///< who answered; empty when no model did
};

/// What became of storing a turn.
enum class TurnStorage : std::uint8_t {
  stored,
  not_next,  ///< the conversation does not run any more, or another request stored a turn of this number
  erased,    ///< the conversation was deleted with one of its people
};
BOOST_DESCRIBE_ENUM(TurnStorage, stored, not_next, erased)

/// The same with the turns before it, in order.
struct StoredTurn {
  TurnStorage storage = TurnStorage::not_next;
  std::vector<SaidTurn> earlier = {};
};

/// How a conversation ends.
struct ConversationEnd {
  StopReason reason = StopReason::max_turns;
  std::string error;  ///< why, when it failed; without any text of a person or model
};

/// What came of a request to begin.
enum class Beginning : std::uint8_t {
  begun,
  unknown_tenant,
  inactive_tenant,
  unknown_match,
  erased,    ///< the match was deleted with one of its people
  not_open,  ///< the match is not active, or has a conversation that runs or was held
};
BOOST_DESCRIBE_ENUM(Beginning, begun, unknown_tenant, inactive_tenant, unknown_match, erased, not_open)

/// Reads and writes conversations. Use it on the event loop; functions with a unit of work run on a thread of the pool.
class AgentConversations {
 public:
  virtual ~AgentConversations() = default;

  /// Reads what a turn needs, in one round trip with other turns. Of the history, at most about `history_tokens`.
  /// @throws Failure (permanent) for an unknown tenant.
  virtual Task<OpenConversation> open(Context& context, AgentTurnRequested const& event,
                                      std::int32_t history_tokens) = 0;

  /// Makes the row of a conversation that begins, in one statement with those of other events. Then calls `then`.
  virtual void begin(UnitOfWork& unit, AgentConversationRequested const& event,
                     std::function<void(Beginning)> then) = 0;
  /// In a replay: makes the row again, if it is lost and the event of `event_key` had begun the conversation.
  virtual Beginning begin_again(UnitOfWork& unit, AgentConversationRequested const& event, Uuid const& event_key) = 0;
  /// Makes the row of a conversation that could not begin, if it still might. @return whether it did.
  virtual bool fail_to_begin(UnitOfWork& unit, AgentConversationRequested const& event, ConversationEnd const& end) = 0;

  /// Stores a turn and adds to the totals of its conversation, if it is the next one of a conversation that runs; in
  /// one statement with the turns of other events. Locks the conversation until the end of the transaction. Then calls
  /// `then`.
  virtual void store_turn(UnitOfWork& unit, Uuid const& event_key, NewTurn turn,
                          std::function<void(StoredTurn)> then) = 0;
  /// Ends a conversation that store_turn() has locked, in one statement with those of other events.
  virtual void end(UnitOfWork& unit, Uuid const& conversation_id, ConversationEnd end) = 0;

  /// The row of the processing log, see processing/processing_log.hpp.
  virtual Task<> log_start(Context& context, processing::LoggedWork work) = 0;
  virtual void log_end(UnitOfWork& unit, Context& context, processing::LoggedWork const& work,
                       assistant::Spent const& spent) = 0;
  virtual void log_failure(UnitOfWork& unit, Context& context, processing::LoggedWork const& work,
                           Failure const& failure) = 0;
};

/// The same in PostgreSQL: all SQL of the conversation worker.
class PostgresAgentConversations final : public AgentConversations {
 public:
  /// What open() reads, of one turn. Blocks. @throws as it does.
  static OpenConversation read(pqxx::connection& connection, AgentTurnRequested const& event, Uuid const& event_key,
                               std::int32_t history_tokens);
  Task<OpenConversation> open(Context& context, AgentTurnRequested const& event, std::int32_t history_tokens) override;
  void begin(UnitOfWork& unit, AgentConversationRequested const& event, std::function<void(Beginning)> then) override;
  Beginning begin_again(UnitOfWork& unit, AgentConversationRequested const& event, Uuid const& event_key) override;
  bool fail_to_begin(UnitOfWork& unit, AgentConversationRequested const& event, ConversationEnd const& end) override;
  void store_turn(UnitOfWork& unit, Uuid const& event_key, NewTurn turn, std::function<void(StoredTurn)> then) override;
  void end(UnitOfWork& unit, Uuid const& conversation_id, ConversationEnd end) override;
  Task<> log_start(Context& context, processing::LoggedWork work) override;
  void log_end(UnitOfWork& unit, Context& context, processing::LoggedWork const& work,
               assistant::Spent const& spent) override;
  void log_failure(UnitOfWork& unit, Context& context, processing::LoggedWork const& work,
                   Failure const& failure) override;
};

/// How many conversations run. Blocks.
std::int64_t count_active(pqxx::connection& connection);

}  // namespace omnibus::conversation
