#include "privacy/identity.hpp"

#include "events/conversation.hpp"
#include "messaging/phone_number.hpp"
#include "text/rules.hpp"

#include <string_view>

namespace omnibus::privacy {
namespace {

constexpr std::size_t longest_session_id = 255;

Uuid read_uuid(std::string_view field, std::string_view text) {
  auto const id = parse_uuid(text);
  // The UUID of zeros stands for nobody in rows that were blanked.
  if (!id || *id == Uuid{}) throw InvalidIdentity{std::string{field}, std::string{field} + " must be somebody's UUID"};
  return *id;
}

/// The key under the present secret, and as an alias that under the previous one.
template <class MakeKey>
NamedSubject keyed(SubjectRules const& rules, MakeKey const& make_key) {
  NamedSubject subject{make_key(rules.secret), {}, {}, {}};
  if (!rules.previous_secret.empty()) subject.aliases.push_back(make_key(rules.previous_secret));
  return subject;
}

NamedSubject of_sender(SubjectRules const& rules, std::string const& sender) {
  auto subject = keyed(rules, [&](std::string const& secret) { return sender_key(secret, rules.domain, sender); });
  subject.sender = sender;
  return subject;
}

NamedSubject of_number(SubjectRules const& rules, std::string const& text) {
  auto const number = messaging::PhoneNumber::from_provider(text, rules.region);
  if (!number)
    throw InvalidIdentity{"phone_number",
                          "phone_number is no phone number that can be dialled from abroad, or in " + rules.region};
  return of_sender(rules, number->e164());
}

/// A user id that hides the number, or what WhatsApp makes of a number.
NamedSubject of_whatsapp(SubjectRules const& rules, std::string const& text) {
  if (messaging::is_whatsapp_user_id(text)) return of_sender(rules, text);
  auto number = messaging::PhoneNumber::from_whatsapp(text);
  if (!number) number = messaging::PhoneNumber::from_provider(text, rules.region);
  if (!number) throw InvalidIdentity{"whatsapp_user_id", "whatsapp_user_id is no id of WhatsApp"};
  return of_sender(rules, number->e164());
}

NamedSubject of_session(SubjectRules const& rules, std::string const& text) {
  if (auto const invalid = rules::length("session_id", text, longest_session_id))
    throw InvalidIdentity{"session_id", "session_id " + invalid->reason};
  auto subject = keyed(rules, [&](std::string const& secret) { return session_key(secret, rules.domain, text); });
  subject.aliases.push_back(alias(conversation_id_of(rules.domain, text)));
  return subject;
}

NamedSubject of_user(SubjectRules const& rules, Uuid const& id) {
  auto subject = keyed(rules, [&](std::string const& secret) { return user_key(secret, rules.domain, id); });
  subject.aliases.push_back(alias(id));
  subject.user_id = id;
  return subject;
}

}  // namespace

NamedSubject name_subject(SubjectRules const& rules, NamedIdentity const& identity) {
  auto const named = int{identity.phone_number.has_value()} + int{identity.whatsapp_user_id.has_value()} +
                     int{identity.session_id.has_value()} + int{identity.user_id.has_value()} +
                     int{identity.customer_id.has_value()};
  if (named != 1)
    throw InvalidIdentity{"phone_number",
                          "name the person by exactly one of phone_number, whatsapp_user_id, session_id, user_id and "
                          "customer_id"};
  if (identity.phone_number) return of_number(rules, *identity.phone_number);
  if (identity.whatsapp_user_id) return of_whatsapp(rules, *identity.whatsapp_user_id);
  if (identity.session_id) return of_session(rules, *identity.session_id);
  if (identity.user_id) return of_user(rules, read_uuid("user_id", *identity.user_id));
  auto const id = read_uuid("customer_id", *identity.customer_id);
  return {alias(id), {}, {}, id};
}

}  // namespace omnibus::privacy
