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

/// As in the database and in events.
std::string_view to_string(Channel channel) noexcept;

/// A person's identity for a tenant. WhatsApp may know a person by a user id alone; the sender of an SMS may be a short
/// code or a name.
struct PersonIdentity {
  std::optional<std::string> phone_number;  ///< E.164
  std::optional<std::string> whatsapp_user_id = {};
  std::optional<std::string> sms_sender = {};   ///< as the provider writes it; without a phone number
  std::optional<std::string> wa_id = {};        ///< the id to answer on WhatsApp; does not identify the person
  std::optional<std::string> subject_key = {};  ///< of the record that named the person; does not find a profile
};

struct Profile {
  Uuid id{};
  bool created = false;  ///< by this call
  bool allows_sms = true;
  bool allows_whatsapp = true;
  std::optional<std::string> subject_key{};
  /// A second profile of the same person: WhatsApp gave its user id before the phone number was known.
  std::optional<Uuid> other{};
};

// All functions below work in the caller's transaction and throw what libpqxx throws.

/// The person, created if needed, locked until the transaction's end. A second identity (a WhatsApp user
/// id for a known phone number, or the other way round) is added. If each has a profile, the phone number's is
/// used.
/// @throws Failure (permanent) for an unknown or inactive tenant.
Profile find_or_create_profile(pqxx::transaction_base& transaction, std::string_view domain,
                               PersonIdentity const& identity);

/// Whether the person is known. If so, no other transaction can delete the person before this one ends.
bool is_known(pqxx::transaction_base& transaction, std::string_view domain, PersonIdentity const& identity);

/// A WhatsApp message has arrived: the person uses WhatsApp, and may get free text for 24 hours. `at_ms` is in ms
/// since 1970; an older time changes nothing. Messages to the person then go to `wa_id`, if it was told.
void note_whatsapp_inbound(pqxx::transaction_base& transaction, Uuid const& profile, std::int64_t at_ms,
                           std::optional<std::string> const& wa_id = {});

/// An SMS has arrived: the number can get SMS, whatever a provider has said.
void note_sms_inbound(pqxx::transaction_base& transaction, Uuid const& profile);

/// Opts the person, with both profiles if there are two, out of the channel, or in again. There is no opt-out
/// from voice. The opt-out is also kept as a suppression by the profiles' subject keys, and so is its end.
void opt_out(pqxx::transaction_base& transaction, Profile const& profile, Channel channel);
void opt_in(pqxx::transaction_base& transaction, Profile const& profile, Channel channel);

}  // namespace omnibus::sessions
