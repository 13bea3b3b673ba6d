/// `POST /webhooks/sms` and `POST /webhooks/sms/receipts`, as MTN posts them.
#pragma once

#include "workers/gateway/webhooks/inbound_event.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace omnibus::gateway {

inline constexpr std::string_view mtn_sms = "mtn_sms";

/// Reads `{"from","to","message"}`, where `from` may also be a short code or a name, and, if present, `id` or
/// `message_id` and `timestamp` into an SmsMessageReceived. Without an id, the same text from the same person within
/// the same minute is the same message: by its timestamp, else the request's, else the clock. Nothing for a message
/// without text, or that is so old that it is a replay.
/// @throws Refusal 400 or 422 naming the field.
std::optional<InboundEvent> read_sms(InboundRules const& rules, std::string_view body);

/// Our number that an SMS came to, as it is written; empty if it names none. The tenant and its secret are found by it,
/// so that it is read of an unsigned request.
std::string addressee_of_sms(std::string_view body);

/// Reads MTN's delivery receipt into a DeliveryReceiptReceived; nothing for a receipt of another message.
/// @throws Refusal 400 naming the field.
std::optional<InboundEvent> read_sms_receipt(InboundRules const& rules, std::string_view body);

}  // namespace omnibus::gateway
