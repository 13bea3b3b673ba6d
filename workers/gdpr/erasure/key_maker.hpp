/// The subject keys of a person's identities.
#pragma once

#include "subjects/subjects.hpp"
#include "uuid/uuid.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace omnibus::gdpr {

/// Makes keys under the present secret and under the one before it. Any thread may use it.
class KeyMaker {
 public:
  /// @param previous empty when there was none
  KeyMaker(std::string secret, std::string previous);

  /// The present secret first.
  std::vector<std::string> const& secrets() const { return secrets_; }
  /// The keys of a number in E.164, a WhatsApp user id or another sender; the present secret's first.
  std::vector<std::string> sender(std::string_view domain, std::string_view sender) const;
  /// The same of a visitor's session.
  std::vector<std::string> session(std::string_view domain, std::string_view session_id) const;
  /// The same of a person of the matches.
  std::vector<std::string> user(std::string_view domain, Uuid const& user) const;

 private:
  std::vector<std::string> secrets_;
};

/// The alias that a UUID is, as text: its hex digits.
std::string alias_text(Uuid const& id);

/// The alias of a message's receipts: the UUID that is their record key.
std::string receipt_alias(std::string_view provider, std::string_view message_id);

}  // namespace omnibus::gdpr
