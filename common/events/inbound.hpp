#pragma once

#include "subjects/subjects.hpp"
#include "text/invalid_field.hpp"

#include <optional>
#include <string>
#include <string_view>

#include <boost/describe/class.hpp>

namespace omnibus {

/// An SMS arrived: of a phone number, or of a short code or a name, which cannot be answered.
struct SmsMessageReceived {
  static constexpr std::string_view type = "omnibus.sms.message.received.v1";
  std::string domain;
  std::string provider;                       ///< the deliverer, such as `mtn_sms`
  std::optional<std::string> phone_number{};  ///< the sender, E.164; this or `sender` is present
  std::string recipient;                      ///< our number or short code, as the provider writes it
  std::string text;
  std::string received_at;                           ///< RFC 3339
  std::optional<std::string> provider_message_id{};  ///< if the provider gives one
  std::optional<std::string> sender{};               ///< a short code or a name, as the provider writes it
};
BOOST_DESCRIBE_STRUCT(SmsMessageReceived, (),
                      (domain, provider, phone_number, recipient, text, received_at, provider_message_id, sender))

inline Subjects subjects_of(SmsMessageReceived const&, std::string_view record_key) {
  return subjects_of_key(record_key);
}

std::optional<InvalidField> validate(SmsMessageReceived const& message);

/// A person sent a WhatsApp message. WhatsApp gives the phone number, a user id of this business, or both.
struct WhatsappMessageReceived {
  static constexpr std::string_view type = "omnibus.whatsapp.message.received.v1";
  std::string domain;
  std::string provider_message_id;                ///< `wamid.…`
  std::string recipient;                          ///< our phone number's id
  std::string kind;                               ///< WhatsApp's own: text, button, interactive, image, …
  std::string text;                               ///< its words; of content without words what it is: `[image]`
  std::string received_at;                        ///< RFC 3339
  std::optional<std::string> phone_number{};      ///< E.164
  std::optional<std::string> whatsapp_user_id{};  ///< business-scoped
  std::optional<std::string> wa_id{};             ///< digits, which may spell the number differently: the one to answer
};
BOOST_DESCRIBE_STRUCT(WhatsappMessageReceived, (),
                      (domain, provider_message_id, recipient, kind, text, received_at, phone_number, whatsapp_user_id,
                       wa_id))

inline Subjects subjects_of(WhatsappMessageReceived const&, std::string_view record_key) {
  return subjects_of_key(record_key);
}

std::optional<InvalidField> validate(WhatsappMessageReceived const& message);

/// A provider reports the state of a message of ours. Receipts come late, twice and out of order.
struct DeliveryReceiptReceived {
  static constexpr std::string_view type = "omnibus.delivery.receipt.received.v1";
  std::string provider;
  std::string status;                                ///< accepted, sent, delivered, read, failed or unknown
  std::string occurred_at;                           ///< RFC 3339
  std::optional<std::string> provider_message_id{};  ///< at least one of these two is present
  std::optional<std::string> effect_key{};           ///< ours, if the provider returns it
  std::optional<std::string> error_code{};           ///< the provider's
  std::optional<std::string> domain{};  ///< the tenant to whose sender it came; absent: to that of the settings
};
BOOST_DESCRIBE_STRUCT(DeliveryReceiptReceived, (),
                      (provider, status, occurred_at, provider_message_id, effect_key, error_code, domain))

/// The message, which went to one person: by the record's key, a hash of the provider's id, and by `effect_key`.
Subjects subjects_of(DeliveryReceiptReceived const& event, std::string_view record_key);

std::optional<InvalidField> validate(DeliveryReceiptReceived const& receipt);

}  // namespace omnibus
