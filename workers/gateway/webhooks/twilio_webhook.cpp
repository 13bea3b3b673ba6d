#include "workers/gateway/webhooks/twilio_webhook.hpp"

#include "events/inbound.hpp"
#include "hash/hash.hpp"
#include "json/repair.hpp"
#include "text/base64.hpp"
#include "time/time.hpp"
#include "workers/gateway/webhooks/signature.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

namespace omnibus::gateway {
namespace {

constexpr std::ptrdiff_t most_fields = 100;

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

/// What a message without a text is, by the content type of its first attachment.
constexpr std::array attachments{
    std::pair<std::string_view, std::string_view>{"image/", "[image]"},
    std::pair<std::string_view, std::string_view>{"video/", "[video]"},
    std::pair<std::string_view, std::string_view>{"audio/", "[audio]"},
    std::pair<std::string_view, std::string_view>{"text/vcard", "[contact]"},
    std::pair<std::string_view, std::string_view>{"text/x-vcard", "[contact]"},
    std::pair<std::string_view, std::string_view>{"", "[document]"},
};

std::string needed(http::Form const& form, std::string_view name) {
  auto value = value_of(form, name);
  if (value.empty()) throw Refusal::invalid(std::string(name), std::string(name) + " is missing");
  return value;
}

std::string words_of(http::Form const& form) {
  auto body = value_of(form, "Body");
  auto const type = value_of(form, "MediaContentType0");
  auto const blank = body.find_first_not_of(" \r\n") == std::string::npos;
  if (!blank || type.empty()) return body;
  auto const is_of = [&](auto const& attachment) { return type.starts_with(attachment.first); };
  return std::string(std::find_if(attachments.begin(), attachments.end(), is_of)->second);
}

}  // namespace

std::string value_of(http::Form const& form, std::string_view name) {
  for (auto const& [field, value] : form)
    if (field == name) return json::repaired_text(value);
  return {};
}

bool is_form(http::Request const& request) {
  return request.content_type() == "application/x-www-form-urlencoded";
}

http::Form read_form(std::string_view body) {
  if (std::ranges::count(body, '&') >= most_fields) throw Refusal::invalid("", "The form has too many fields");
  auto form = http::read_form(body, true);  // a text of a person may hold NUL
  if (!form) throw Refusal::invalid("", "The form is not percent-encoded");
  return *std::move(form);
}

std::optional<std::string_view> twilio_signature_fault(std::string_view token, std::string_view address,
                                                       http::Headers const& headers, http::Form const& form) {
  auto const header = headers.find("X-Twilio-Signature");
  if (!header || header->empty()) return "missing";
  std::map<std::string_view, std::set<std::string_view>> fields;
  for (auto const& [name, value] : form) fields[name].insert(value);
  std::string text(address);
  for (auto const& [name, values] : fields)
    for (auto const value : values) text.append(name).append(value);
  auto const expected = hmac_sha1(token, text);
  auto const given = decode_base64(*header);
  auto const good = given && same_secret(*given, {reinterpret_cast<char const*>(expected.data()), expected.size()});
  if (!good) return "wrong";
  return std::nullopt;
}

std::optional<InboundEvent> read_twilio_sms(InboundRules const& rules, http::Form const& form) {
  auto sender = read_sms_sender(rules, "From", value_of(form, "From"));
  auto words = words_of(form);
  if (words.empty()) return std::nullopt;
  auto key = profile_key(rules, sender.text());
  SmsMessageReceived sms;
  sms.domain = rules.domain;
  sms.provider = twilio_sms;
  sms.phone_number = std::move(sender.phone_number);
  sms.sender = std::move(sender.sender);
  sms.recipient = cut(needed(form, "To"), most_name);
  sms.text = cut(std::move(words), most_text);
  sms.received_at = format_time_ms(rules.now_ms);
  sms.provider_message_id = needed(form, "MessageSid");
  auto const id = inbound_event_id({twilio_sms, rules.domain, *sms.provider_message_id});
  return make_inbound(rules, id, std::move(key), sms);
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
  if (auto code = value_of(form, "ErrorCode"); !code.empty()) receipt.error_code = cut(std::move(code), most_name);
  receipt.domain = rules.receipt_domain();
  auto const id = receipt_event_id(rules, twilio_sms, *receipt.provider_message_id, theirs);
  return make_inbound(rules, id, receipt_key(twilio_sms, *receipt.provider_message_id), receipt);
}

}  // namespace omnibus::gateway
