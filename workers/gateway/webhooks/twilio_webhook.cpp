#include "workers/gateway/webhooks/twilio_webhook.hpp"

#include "events/inbound.hpp"
#include "hash/hash.hpp"
#include "json/utf8.hpp"
#include "text/base64.hpp"
#include "time/time.hpp"
#include "workers/gateway/webhooks/signature.hpp"

#include <algorithm>
#include <array>

namespace omnibus::gateway {
namespace {

constexpr std::size_t most_fields = 100;

constexpr std::array twilio_statuses{
    StatusName{"accepted", "accepted"},
    StatusName{"scheduled", "accepted"},
    StatusName{"queued", "accepted"},
    StatusName{"sending", "accepted"},
    StatusName{"sent", "sent"},
    StatusName{"delivered", "delivered"},
    StatusName{"read", "read"},
    StatusName{"undelivered", "failed"},
    StatusName{"failed", "failed"},
    StatusName{"canceled", "failed"},
    StatusName{"delivery_unknown", "unknown"},
};

std::string_view value_of(http::Form const& form, std::string_view name) {
  for (auto const& [field, value] : form)
    if (field == name) return value;
  return {};
}

std::string needed(http::Form const& form, std::string_view name) {
  auto const value = value_of(form, name);
  if (value.empty()) throw Refusal::invalid(std::string(name), std::string(name) + " is missing");
  return std::string(value);
}

}  // namespace

bool is_form(http::Request const& request) {
  return request.content_type() == "application/x-www-form-urlencoded";
}

http::Form read_form(std::string_view body) {
  auto form = http::read_form(body);
  auto const readable = [](auto const& field) { return json::is_utf8(field.first) && json::is_utf8(field.second); };
  if (!form || !std::ranges::all_of(*form, readable))
    throw Refusal::invalid("", "The form is not UTF-8, percent-encoded");
  if (form->size() > most_fields) throw Refusal::invalid("", "The form has too many fields");
  return std::move(*form);
}

std::optional<std::string_view> twilio_signature_fault(std::string_view token, std::string_view address,
                                                       http::Headers const& headers, http::Form form) {
  auto const header = headers.find("X-Twilio-Signature");
  if (!header || header->empty()) return "missing";
  std::stable_sort(form.begin(), form.end(), [](auto const& a, auto const& b) { return a.first < b.first; });
  std::string text(address);
  for (auto const& [name, value] : form) text.append(name).append(value);
  auto const expected = hmac_sha1(token, text);
  auto const given = kafka::decode_base64(*header);
  auto const good = given && same_secret(*given, {reinterpret_cast<char const*>(expected.data()), expected.size()});
  if (!good) return "wrong";
  return std::nullopt;
}

std::optional<InboundEvent> read_twilio_sms(InboundRules const& rules, http::Form const& form) {
  auto const number = read_phone_number(rules, "From", value_of(form, "From"));
  if (value_of(form, "Body").empty()) return std::nullopt;
  SmsMessageReceived sms;
  sms.domain = rules.domain;
  sms.provider = twilio_sms;
  sms.phone_number = number.e164();
  sms.recipient = needed(form, "To");
  sms.text = value_of(form, "Body");
  sms.received_at = format_time_ms(rules.now_ms);
  sms.provider_message_id = needed(form, "MessageSid");
  auto const id = inbound_event_id({twilio_sms, rules.domain, *sms.provider_message_id});
  return make_inbound(id, profile_key(rules, sms.phone_number), sms);
}

std::optional<InboundEvent> read_twilio_receipt(InboundRules const& rules, http::Form const& form,
                                                std::string_view effect_key) {
  auto const theirs = needed(form, "MessageStatus");
  auto const status = std::find_if(twilio_statuses.begin(), twilio_statuses.end(),
                                   [&](StatusName const& one) { return one.theirs == theirs; });
  if (status == twilio_statuses.end()) return std::nullopt;
  DeliveryReceiptReceived receipt;
  receipt.provider = twilio_sms;
  receipt.status = status->ours;
  receipt.occurred_at = format_time_ms(rules.now_ms);
  receipt.provider_message_id = needed(form, "MessageSid");
  if (auto const key = parse_uuid(effect_key)) receipt.effect_key = to_string(*key);
  if (auto const code = value_of(form, "ErrorCode"); !code.empty()) receipt.error_code = code;
  auto const id = inbound_event_id({twilio_sms, "receipt", *receipt.provider_message_id, theirs});
  return make_inbound(id, receipt_key(twilio_sms, *receipt.provider_message_id), receipt);
}

}  // namespace omnibus::gateway
