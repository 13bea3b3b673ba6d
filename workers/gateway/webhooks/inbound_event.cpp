#include "workers/gateway/webhooks/inbound_event.hpp"

#include "subjects/subjects.hpp"
#include "time/time.hpp"
#include "workers/gateway/webhooks/signature.hpp"

#include <algorithm>

namespace omnibus::gateway {
namespace {

/// "omnibus", "inbnd": the namespace of events from webhooks.
constexpr Uuid inbound_space{
    {0x6f, 0x6d, 0x6e, 0x69, 0x62, 0x75, 0x50, 0x00, 0x80, 0x00, 0x69, 0x6e, 0x62, 0x6e, 0x64, 0x00}};
constexpr std::size_t longest_short_code = 8;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
}

bool is_short_code(std::string_view text) {
  return !text.empty() && text.size() <= longest_short_code && std::all_of(text.begin(), text.end(), is_digit);
}

bool is_sender_name(std::string_view text) {
  return !text.empty() && text.front() != '+' && std::any_of(text.begin(), text.end(), is_letter);
}

std::string_view without_quotes(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  return text;
}

}  // namespace

Uuid inbound_event_id(std::initializer_list<std::string_view> parts) {
  std::string name;
  for (auto const part : parts) name.append(std::to_string(part.size())).append(":").append(part);
  return name_uuid(inbound_space, name);
}

Uuid receipt_event_id(InboundRules const& rules, std::string_view provider, std::string_view message_id,
                      std::string_view status) {
  return rules.of_sender ? inbound_event_id({provider, "receipt", rules.domain, message_id, status})
                         : inbound_event_id({provider, "receipt", message_id, status});
}

std::string profile_key(InboundRules const& rules, std::string_view sender) {
  return sender_key(rules.key_secret, rules.domain, sender).text();
}

std::string receipt_key(std::string_view provider, std::string_view message_id) {
  return to_string(inbound_event_id({"receipts of", provider, message_id}));
}

messaging::PhoneNumber read_phone_number(InboundRules const& rules, std::string field, std::string_view text) {
  if (auto number = messaging::PhoneNumber::from_provider(text, rules.region)) return *std::move(number);
  auto detail = field + " is no phone number that can be dialled from abroad, or in " + rules.region;
  throw Refusal(422, "The phone number is not valid", std::move(detail), std::move(field));
}

SmsSender read_sms_sender(InboundRules const& rules, std::string field, std::string_view text) {
  if (auto const number = messaging::PhoneNumber::from_provider(text, rules.region)) return {number->e164(), {}};
  if (is_short_code(text) || is_sender_name(text)) return {{}, cut(std::string(text), most_name)};
  throw Refusal(422, "The sender is not valid", field + " is neither a phone number nor a short code or a name", field);
}

std::string cut(std::string text, std::size_t most) {
  if (text.size() <= most) return text;
  std::size_t characters = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    auto const begins = (static_cast<unsigned char>(text[at]) & 0xC0U) != 0x80U;
    if (!begins || ++characters <= most) continue;
    text.resize(at);
    break;
  }
  return text;
}

bool is_replayed(InboundRules const& rules, std::string_view text) {
  auto const moment = read_moment_ms(without_quotes(text));
  return moment && rules.longest_age_ms > 0 && rules.now_ms - *moment > rules.longest_age_ms;
}

std::string moment_or_now(InboundRules const& rules, std::string_view text) {
  return format_time_ms(read_moment_ms(without_quotes(text)).value_or(rules.told_ms.value_or(rules.now_ms)));
}

}  // namespace omnibus::gateway
