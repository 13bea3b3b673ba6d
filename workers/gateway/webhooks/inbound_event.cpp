#include "workers/gateway/webhooks/inbound_event.hpp"

#include "hash/hash.hpp"
#include "time/time.hpp"
#include "workers/gateway/webhooks/signature.hpp"

namespace omnibus::gateway {
namespace {

/// "omnibus", "inbnd": the namespace of events from webhooks.
constexpr Uuid inbound_space{
    {0x6f, 0x6d, 0x6e, 0x69, 0x62, 0x75, 0x50, 0x00, 0x80, 0x00, 0x69, 0x6e, 0x62, 0x6e, 0x64, 0x00}};
constexpr std::size_t key_bytes = 16;

}  // namespace

Uuid inbound_event_id(std::initializer_list<std::string_view> parts) {
  std::string name;
  for (auto const part : parts) name.append(std::to_string(part.size())).append(":").append(part);
  return name_uuid(inbound_space, name);
}

std::string profile_key(InboundRules const& rules, std::string_view sender) {
  auto const hash = hmac_sha256(rules.key_secret, std::string(rules.domain).append("\n").append(sender));
  return to_hex(std::span{hash}.first<key_bytes>());
}

std::string receipt_key(std::string_view provider, std::string_view message_id) {
  return to_string(inbound_event_id({"receipts of", provider, message_id}));
}

messaging::PhoneNumber read_phone_number(InboundRules const& rules, std::string field, std::string_view text) {
  if (auto number = messaging::PhoneNumber::parse(text, rules.region)) return *std::move(number);
  auto detail = field + " is no phone number that can be dialled from abroad, or in " + rules.region;
  throw Refusal(422, "The phone number is not valid", std::move(detail), std::move(field));
}

std::string moment_or_now(InboundRules const& rules, std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  return format_time_ms(read_moment_ms(text).value_or(rules.told_ms.value_or(rules.now_ms)));
}

}  // namespace omnibus::gateway
