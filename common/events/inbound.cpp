#include "events/inbound.hpp"

#include "text/rules.hpp"

namespace omnibus {
namespace {

constexpr std::size_t max_name = 64;
constexpr std::size_t max_provider_message_id = 255;
constexpr std::size_t max_whatsapp_user_id = 160;
constexpr std::size_t max_wa_id = 20;
constexpr std::size_t max_inbound_text = 16'000;

std::optional<InvalidField> length_if_any(std::string_view field, std::optional<std::string> const& value,
                                          std::size_t most) {
  return value ? rules::length(field, *value, most) : std::nullopt;
}

bool is_wa_id(std::string_view text) {
  return text.size() >= 2 && text.size() <= max_wa_id && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

std::optional<InvalidField> validate(SmsMessageReceived const& message) {
  if (auto invalid = rules::domain("domain", message.domain)) return invalid;
  if (auto invalid = rules::length("provider", message.provider, max_name)) return invalid;
  if (!message.phone_number && !message.sender) return InvalidField{"phone_number", "must be there when sender is not"};
  if (message.phone_number)
    if (auto invalid = rules::e164("phone_number", *message.phone_number)) return invalid;
  if (auto invalid = length_if_any("sender", message.sender, max_name)) return invalid;
  if (auto invalid = rules::length("recipient", message.recipient, max_name)) return invalid;
  if (auto invalid = rules::length("text", message.text, max_inbound_text)) return invalid;
  if (auto invalid = rules::time("received_at", message.received_at)) return invalid;
  return length_if_any("provider_message_id", message.provider_message_id, max_provider_message_id);
}

std::optional<InvalidField> validate(WhatsappMessageReceived const& message) {
  if (auto invalid = rules::domain("domain", message.domain)) return invalid;
  if (auto invalid = rules::length("provider_message_id", message.provider_message_id, max_provider_message_id))
    return invalid;
  if (auto invalid = rules::length("recipient", message.recipient, max_name)) return invalid;
  if (auto invalid = rules::length("kind", message.kind, max_name)) return invalid;
  if (!message.text.empty())
    if (auto invalid = rules::length("text", message.text, max_inbound_text)) return invalid;
  if (auto invalid = rules::time("received_at", message.received_at)) return invalid;
  if (!message.phone_number && !message.whatsapp_user_id)
    return InvalidField{"phone_number", "must be there when whatsapp_user_id is not"};
  if (message.phone_number)
    if (auto invalid = rules::e164("phone_number", *message.phone_number)) return invalid;
  if (message.wa_id && !is_wa_id(*message.wa_id)) return InvalidField{"wa_id", "must be 2 to 20 digits"};
  return length_if_any("whatsapp_user_id", message.whatsapp_user_id, max_whatsapp_user_id);
}

Subjects subjects_of(DeliveryReceiptReceived const& event, std::string_view record_key) {
  return aliases({parse_uuid(record_key), event.effect_key ? parse_uuid(*event.effect_key) : std::nullopt});
}

std::optional<InvalidField> validate(DeliveryReceiptReceived const& receipt) {
  if (auto invalid = rules::length("provider", receipt.provider, max_name)) return invalid;
  if (auto invalid =
          rules::one_of("status", receipt.status, {"accepted", "sent", "delivered", "read", "failed", "unknown"}))
    return invalid;
  if (auto invalid = rules::time("occurred_at", receipt.occurred_at)) return invalid;
  if (!receipt.provider_message_id && !receipt.effect_key)
    return InvalidField{"provider_message_id", "must be there when effect_key is not"};
  if (auto invalid = length_if_any("provider_message_id", receipt.provider_message_id, max_provider_message_id))
    return invalid;
  if (auto invalid = length_if_any("effect_key", receipt.effect_key, max_provider_message_id)) return invalid;
  if (auto invalid = length_if_any("error_code", receipt.error_code, max_name)) return invalid;
  return receipt.domain ? rules::domain("domain", *receipt.domain) : std::nullopt;
}

}  // namespace omnibus
