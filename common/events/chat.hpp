#pragma once

#include "subjects/subjects.hpp"
#include "text/invalid_field.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/describe/class.hpp>

namespace omnibus {

/// A visitor wrote a message. Without a conversation id it belongs to `conversation_id_of(domain, session_id)`.
struct ChatMessageReceived {
  static constexpr std::string_view type = "omnibus.chat.message.received.v1";
  std::string domain;
  std::string session_id;
  std::string text;
  std::optional<Uuid> conversation_id{};
};
BOOST_DESCRIBE_STRUCT(ChatMessageReceived, (), (domain, session_id, text, conversation_id))

/// The visitor's conversation by session, and the one that the message names.
Subjects subjects_of(ChatMessageReceived const& event, std::string_view record_key);

/// Rules of a message's schema beyond its types: the first broken one, or nothing.
std::optional<InvalidField> validate(ChatMessageReceived const& message);

/// A part of a reply, as the model streams it; `index` counts from 0 within one reply.
struct ChatReplyDelta {
  static constexpr std::string_view type = "omnibus.chat.reply.delta.v1";
  Uuid conversation_id;
  std::string in_reply_to;  ///< the `ce_id` of the message answered, here and in every reply below
  std::int64_t index = 0;
  std::string text;
};
BOOST_DESCRIBE_STRUCT(ChatReplyDelta, (), (conversation_id, in_reply_to, index, text))

inline Subjects subjects_of(ChatReplyDelta const& event, std::string_view) {
  return aliases({event.conversation_id});
}

std::optional<InvalidField> validate(ChatReplyDelta const& delta);

/// The model's whole reply to a message.
struct ChatReplyGenerated {
  static constexpr std::string_view type = "omnibus.chat.reply.generated.v1";
  Uuid conversation_id;
  std::string in_reply_to;
  std::string text;
};
BOOST_DESCRIBE_STRUCT(ChatReplyGenerated, (), (conversation_id, in_reply_to, text))

inline Subjects subjects_of(ChatReplyGenerated const& event, std::string_view) {
  return aliases({event.conversation_id});
}

/// No model answered; the visitor was given this fixed text instead.
struct ChatReplyFallback {
  static constexpr std::string_view type = "omnibus.chat.reply.fallback.v1";
  Uuid conversation_id;
  std::string in_reply_to;
  std::string text;
  std::string reason;
};
BOOST_DESCRIBE_STRUCT(ChatReplyFallback, (), (conversation_id, in_reply_to, text, reason))

inline Subjects subjects_of(ChatReplyFallback const& event, std::string_view) {
  return aliases({event.conversation_id});
}

/// A message will not be answered.
struct ChatReplyFailed {
  static constexpr std::string_view type = "omnibus.chat.reply.failed.v1";
  Uuid conversation_id;
  std::string in_reply_to;
  std::string reason;
};
BOOST_DESCRIBE_STRUCT(ChatReplyFailed, (), (conversation_id, in_reply_to, reason))

inline Subjects subjects_of(ChatReplyFailed const& event, std::string_view) {
  return aliases({event.conversation_id});
}

/// A reply was ready and was withheld, for example because a person has taken the conversation over.
struct ChatReplySuppressed {
  static constexpr std::string_view type = "omnibus.chat.reply.suppressed.v1";
  Uuid conversation_id;
  std::string in_reply_to;
  std::string reason;
};
BOOST_DESCRIBE_STRUCT(ChatReplySuppressed, (), (conversation_id, in_reply_to, reason))

inline Subjects subjects_of(ChatReplySuppressed const& event, std::string_view) {
  return aliases({event.conversation_id});
}

}  // namespace omnibus
