/// Who a request about personal data is about, from one identity of theirs.
#pragma once

#include "subjects/subjects.hpp"
#include "uuid/uuid.hpp"

#include <exception>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::privacy {

/// One identity of a person, as who asks writes it: exactly one member is set.
struct NamedIdentity {
  std::optional<std::string> phone_number, whatsapp_user_id, session_id, user_id, customer_id;
};
BOOST_DESCRIBE_STRUCT(NamedIdentity, (), (phone_number, whatsapp_user_id, session_id, user_id, customer_id))

/// What subject keys are made with.
struct SubjectRules {
  std::string domain;
  std::string region;             ///< of numbers without a country code
  std::string secret;             ///< PROFILE_KEY_SECRET
  std::string previous_secret{};  ///< the one before its last change; empty: there was none
};

/// A person, by keys that do not tell who it is.
struct NamedSubject {
  SubjectKey key;                   ///< of the identity that was named
  std::vector<SubjectKey> aliases;  ///< further keys that follow from that identity
  std::optional<Uuid> user_id, customer_id;
  std::optional<std::string> sender{};  ///< the number in E.164 or the WhatsApp id, to look profiles up by
};

/// An identity that cannot be read. Does not contain it.
struct InvalidIdentity : std::exception {
  std::string field;
  std::string detail;

  InvalidIdentity(std::string field_, std::string detail_) : field{std::move(field_)}, detail{std::move(detail_)} {}
  char const* what() const noexcept override { return detail.c_str(); }
};

/// Reads every spelling of a number or a WhatsApp id that is accepted in a message, by the same functions. Pure.
/// @throws InvalidIdentity
NamedSubject name_subject(SubjectRules const& rules, NamedIdentity const& identity);

}  // namespace omnibus::privacy
