/// Events made from webhook requests.
#pragma once

#include "json/decode.hpp"
#include "json/encode.hpp"
#include "json/limits.hpp"
#include "json/repair.hpp"
#include "messaging/phone_number.hpp"
#include "text/invalid_field.hpp"
#include "uuid/uuid.hpp"
#include "workers/gateway/door/refusal.hpp"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace omnibus::gateway {

/// The tenant of these webhooks, and the inputs of their events.
struct InboundRules {
  std::string domain;
  std::string region;      ///< of numbers without a country code
  std::string key_secret;  ///< of profile keys
  std::int64_t now_ms = 0;
  std::optional<std::int64_t> told_ms{};  ///< from the request's timestamp header, if there is one
  bool of_sender = false;                 ///< the tenant was found by its sender; else it is that of the settings
  std::int64_t longest_age_ms = 0;        ///< what says of itself that it is older is a replay; 0: no limit

  /// The tenant of a receipt; nothing for one that came to the sender of the settings, which several tenants may share.
  std::optional<std::string> receipt_domain() const { return of_sender ? std::optional{domain} : std::nullopt; }
};

/// An event with its identity and its key, ready to be published.
struct InboundEvent {
  Uuid id;
  std::string_view type;
  std::string key;
  std::string data;
  std::string domain;  ///< its tenant
};

/// A provider's word for a delivery's state, and ours.
struct StatusName {
  std::string_view theirs;
  std::string_view ours;
};

/// Limits for providers' documents; none is deeper or wider than this.
inline constexpr json::Limits webhook_limits{.bytes = 16 << 20, .depth = 16, .array_length = 2'000};

/// The characters that our events' schemas allow in a text and in a name.
inline constexpr std::size_t most_text = 16'000;
inline constexpr std::size_t most_name = 64;

/// Reads a provider's document. A text in it that is not well-formed Unicode is repaired: it must cost neither its
/// message nor others.
template <class T>
boost::system::result<T, json::DecodeError> read_posted(std::string_view body) {
  auto posted = json::decode<T>(body, webhook_limits);
  if (posted) return posted;
  return json::decode<T>(json::repaired_document(body), webhook_limits);
}

/// The first characters of a text in UTF-8, at most `most`.
std::string cut(std::string text, std::size_t most);

/// The id of a provider's report: the same for a repeated report, at every gateway.
Uuid inbound_event_id(std::initializer_list<std::string_view> parts);

/// The id of a receipt: one tenant's never has that of another's.
Uuid receipt_event_id(InboundRules const& rules, std::string_view provider, std::string_view message_id,
                      std::string_view status);

/// The Kafka key of a person's messages and calls: a keyed hash of the person, lower-case hex, since keys are seen in
/// more places than payloads.
/// @param sender in E.164, or a WhatsApp user id
std::string profile_key(InboundRules const& rules, std::string_view sender);

/// The Kafka key of one message's receipts: a hash of its id, as WhatsApp's ids contain the recipient's
/// number.
std::string receipt_key(std::string_view provider, std::string_view message_id);

/// @throws Refusal 422 naming the field, without its value.
/// @param text of a provider, which is a person's who called or wrote
messaging::PhoneNumber read_phone_number(InboundRules const& rules, std::string field, std::string_view text);

/// The sender of an SMS: one of both.
struct SmsSender {
  std::optional<std::string> phone_number{};  ///< E.164
  std::optional<std::string> sender{};        ///< a short code or a name

  std::string const& text() const { return phone_number ? *phone_number : *sender; }
};

/// Reads a phone number, or a sender that is none: a short code of up to 8 digits, or a name, which has a letter and
/// no plus in front. @throws Refusal 422 naming the field, without its value.
SmsSender read_sms_sender(InboundRules const& rules, std::string field, std::string_view text);

/// Whether a time in a signed body is so old that the request must be a replay. An unreadable one tells nothing.
bool is_replayed(InboundRules const& rules, std::string_view text);

/// The provider's time in RFC 3339; without a readable one, the request's, or now.
std::string moment_or_now(InboundRules const& rules, std::string_view text);

/// @throws Refusal 400 naming the field that breaks a rule of the event's schema.
template <class Event>
InboundEvent make_inbound(InboundRules const& rules, Uuid id, std::string key, Event const& event) {
  if (auto const invalid = validate(event))
    throw Refusal::invalid(invalid->field, invalid->field + " " + invalid->reason);
  return {id, Event::type, std::move(key), json::encode(event), rules.domain};
}

}  // namespace omnibus::gateway
