#pragma once

#include "events/conversation.hpp"
#include "subjects/subjects.hpp"
#include "text/invalid_field.hpp"
#include "uuid/uuid.hpp"

#include <optional>
#include <string>
#include <string_view>

#include <boost/describe/class.hpp>

namespace omnibus {

/// What a person agrees to (true) or takes back (false), by purpose. An absent purpose stays as it is.
struct ConsentPurposes {
  std::optional<bool> processing{};
  std::optional<bool> analytics{};
  std::optional<bool> marketing{};
  std::optional<bool> deep_analysis{};
};
BOOST_DESCRIBE_STRUCT(ConsentPurposes, (), (processing, analytics, marketing, deep_analysis))

/// A visitor's consents were recorded. It belongs to `conversation_id_of(domain, session_id)`, which is its key, so
/// that it keeps its order among the visitor's messages.
struct ChatConsentRecorded {
  static constexpr std::string_view type = "omnibus.chat.consent.recorded.v1";
  std::string domain;
  std::string session_id;
  ConsentPurposes purposes;
  std::string source;  ///< the role of who recorded it, such as service
  std::optional<std::string> text_version{};
  std::optional<Uuid> recorded_by{};  ///< the principal, if a person of the team recorded it for the visitor
};
BOOST_DESCRIBE_STRUCT(ChatConsentRecorded, (), (domain, session_id, purposes, source, text_version, recorded_by))

/// The visitor's conversation by session.
inline Subjects subjects_of(ChatConsentRecorded const& event, std::string_view) {
  return aliases({conversation_id_of(event.domain, event.session_id)});
}

/// Rules of the schema beyond its types: the first broken one, or nothing.
std::optional<InvalidField> validate(ChatConsentRecorded const& event);

}  // namespace omnibus
