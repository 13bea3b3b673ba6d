/// The people a tenant talks to by voice, SMS and WhatsApp: the table `profiles`.
#pragma once

#include "uuid/uuid.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace pqxx {
class transaction_base;
}

namespace omnibus::sessions {

/// A way to reach a person.
enum class Channel { voice, whatsapp, sms };

/// As the database and the events write it.
std::string_view to_string(Channel channel) noexcept;

/// Who somebody is for a tenant. WhatsApp may know a person by a user id alone.
struct PersonIdentity {
  std::optional<std::string> phone_number;  ///< E.164
  std::optional<std::string> whatsapp_user_id = {};
};

struct Profile {
  Uuid id{};
  bool created = false;  ///< by this very look
  bool allows_sms = true;
  bool allows_whatsapp = true;
  /// A second profile of the same person: WhatsApp named its user id before it told whose number that is.
  std::optional<Uuid> other{};
};

// Everything below works in the caller's transaction and throws what libpqxx throws.

/// The person, made if there is none, locked until the transaction's end. What a second identity adds (a WhatsApp user
/// id for a known phone number, or the other way round) is kept; where each was somebody before, the phone number's is
/// taken.
/// @throws Failure (permanent) for an unknown or inactive tenant.
Profile find_or_create_profile(pqxx::transaction_base& transaction, std::string_view domain,
                               PersonIdentity const& identity);

/// Whether the person is known. If so, no other transaction can delete the person before this one ends.
bool is_known(pqxx::transaction_base& transaction, std::string_view domain, PersonIdentity const& identity);

/// A message has come by WhatsApp: the person has it, and free text may be sent for 24 hours. `at_ms` is when, in ms
/// since 1970; an older one takes nothing back.
void note_whatsapp_inbound(pqxx::transaction_base& transaction, Uuid const& profile, std::int64_t at_ms);

/// The person, by both profiles where there are two, wants nothing more over the channel, or again. Voice cannot be
/// opted out of.
void opt_out(pqxx::transaction_base& transaction, Profile const& profile, Channel channel);
void opt_in(pqxx::transaction_base& transaction, Profile const& profile, Channel channel);

}  // namespace omnibus::sessions
