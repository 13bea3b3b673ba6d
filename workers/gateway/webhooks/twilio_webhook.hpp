/// `POST /webhooks/sms` and `POST /webhooks/sms/receipts`, as Twilio posts them: forms, with Twilio's signature.
#pragma once

#include "http/form.hpp"
#include "http/message.hpp"
#include "workers/gateway/webhooks/inbound_event.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace omnibus::gateway {

inline constexpr std::string_view twilio_sms = "twilio_sms";

/// Whether the request's body is a form, which Twilio posts and MTN does not.
bool is_form(http::Request const& request);

/// The form as it is signed: its values may be malformed UTF-8, and are repaired when they are read.
/// @throws Refusal 400 when the body is not a form, or has more than a hundred fields.
http::Form read_form(std::string_view body);

/// A field's value, repaired to well-formed UTF-8; empty if there is none.
std::string value_of(http::Form const& form, std::string_view name);

/// The error in Twilio's signature, `missing` or `wrong`: HMAC-SHA1 over the address that Twilio calls and all fields,
/// sorted by their names and each name with its different values, sorted; in base64.
std::optional<std::string_view> twilio_signature_fault(std::string_view token, std::string_view address,
                                                       http::Headers const& headers, http::Form const& form);

/// Reads a message; without a text, it says what its attachment is, as `[image]`. Nothing without both. @throws Refusal
/// 400 or 422 naming the field.
std::optional<InboundEvent> read_twilio_sms(InboundRules const& rules, http::Form const& form);

/// Reads a status callback; nothing for a status that is not about a message of ours. The effect key is in
/// the address that we gave to Twilio. @throws Refusal 400 naming the field.
std::optional<InboundEvent> read_twilio_receipt(InboundRules const& rules, http::Form const& form,
                                                std::string_view effect_key = {});

}  // namespace omnibus::gateway
