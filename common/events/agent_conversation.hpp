/// Conversations between the agents of two people. They carry ids and numbers: what was said is in the database alone.
#pragma once

#include "subjects/subjects.hpp"
#include "text/invalid_field.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus {

/// Begin the conversation of an active match.
struct AgentConversationRequested {
  static constexpr std::string_view type = "omnibus.conversation.requested.v1";
  std::string domain;
  Uuid conversation_id;  ///< the conversation; also the record's key
  Uuid match_id;         ///< the match
};
BOOST_DESCRIBE_STRUCT(AgentConversationRequested, (), (domain, conversation_id, match_id))

inline Subjects subjects_of(AgentConversationRequested const& event, std::string_view) {
  return aliases({event.conversation_id, event.match_id});
}

std::optional<InvalidField> validate(AgentConversationRequested const& event);

/// Ask for the next turn of a conversation.
struct AgentTurnRequested {
  static constexpr std::string_view type = "omnibus.conversation.turn.requested.v1";
  std::string domain;
  Uuid conversation_id;          ///< the conversation of the two agents
  Uuid match_id;                 ///< its match: what tells that the conversation ended if its row was deleted
  std::int64_t turn_number = 0;  ///< from 1 on
};
BOOST_DESCRIBE_STRUCT(AgentTurnRequested, (), (domain, conversation_id, match_id, turn_number))

inline Subjects subjects_of(AgentTurnRequested const& event, std::string_view) {
  return aliases({event.conversation_id, event.match_id});
}

std::optional<InvalidField> validate(AgentTurnRequested const& event);

/// A turn was said and is stored. Its words are in the database alone.
struct AgentTurnCompleted {
  static constexpr std::string_view type = "omnibus.conversation.turn.completed.v1";
  std::string domain;
  Uuid conversation_id;          ///< the conversation of the two agents
  std::int64_t turn_number = 0;  ///< from 1 on
  std::string speaker_role;      ///< agent_a speaks for user_a
};
BOOST_DESCRIBE_STRUCT(AgentTurnCompleted, (), (domain, conversation_id, turn_number, speaker_role))

inline Subjects subjects_of(AgentTurnCompleted const& event, std::string_view) {
  return aliases({event.conversation_id});
}

std::optional<InvalidField> validate(AgentTurnCompleted const& event);

/// A conversation was held.
struct AgentConversationCompleted {
  static constexpr std::string_view type = "omnibus.conversation.completed.v1";
  std::string domain;
  Uuid match_id;            ///< the match
  Uuid conversation_id;     ///< the conversation of the two agents
  std::string stop_reason;  ///< why it ended
  std::int64_t turns = 0;   ///< how many turns it had
};
BOOST_DESCRIBE_STRUCT(AgentConversationCompleted, (), (domain, match_id, conversation_id, stop_reason, turns))

inline Subjects subjects_of(AgentConversationCompleted const& event, std::string_view) {
  return aliases({event.match_id, event.conversation_id});
}

std::optional<InvalidField> validate(AgentConversationCompleted const& event);

/// A conversation broke off.
struct AgentConversationFailed {
  static constexpr std::string_view type = "omnibus.conversation.failed.v1";
  std::string domain;
  Uuid match_id;            ///< the match
  Uuid conversation_id;     ///< the conversation of the two agents
  std::string stop_reason;  ///< why it ended
};
BOOST_DESCRIBE_STRUCT(AgentConversationFailed, (), (domain, match_id, conversation_id, stop_reason))

inline Subjects subjects_of(AgentConversationFailed const& event, std::string_view) {
  return aliases({event.match_id, event.conversation_id});
}

std::optional<InvalidField> validate(AgentConversationFailed const& event);

}  // namespace omnibus
