/// The webhooks' readers under libFuzzer: any bytes as what each provider posts, and as a signature. What is taken is
/// an event of our schema, the same when it is told again later, keyed by nothing that can be dialled; all else is a
/// refusal that echoes nothing. And any bytes as a text within a good post: it is taken with them. Built and run by
/// tests/fuzz/run.
#include "events/call.hpp"
#include "events/inbound.hpp"
#include "json/decode.hpp"
#include "json/repair.hpp"
#include "tests/fuzz/must.hpp"
#include "workers/gateway/webhooks/calls_webhook.hpp"
#include "workers/gateway/webhooks/signature.hpp"
#include "workers/gateway/webhooks/sms_webhook.hpp"
#include "workers/gateway/webhooks/twilio_webhook.hpp"
#include "workers/gateway/webhooks/whatsapp_webhook.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

using namespace omnibus;
using namespace omnibus::gateway;

namespace {

template <class Event>
bool is_event(InboundEvent const& inbound) {
  if (inbound.type != Event::type) return false;
  auto const event = json::decode<Event>(inbound.data, webhook_limits);
  must(event.has_value() && !validate(*event), "what is taken keeps its schema");
  return true;
}

void check(InboundEvent const& inbound) {
  must(is_event<CallTerminated>(inbound) || is_event<SmsMessageReceived>(inbound) ||
           is_event<WhatsappMessageReceived>(inbound) || is_event<DeliveryReceiptReceived>(inbound),
       "what is taken is an event of ours");
  auto const is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  auto const hash = inbound.key.size() == 32 && std::all_of(inbound.key.begin(), inbound.key.end(), is_hex);
  must(hash || parse_uuid(inbound.key), "a key is a hash");
}

/// What `read` makes of its input; nothing where it refuses.
template <class Read>
std::vector<InboundEvent> events_of(Read&& read) {
  try {
    return read();
  } catch (Refusal const& refusal) {
    must(refusal.status == 400 || refusal.status == 413 || refusal.status == 422, "a refusal is the sender's fault");
  }
  return {};
}

std::vector<InboundEvent> read_all(InboundRules const& rules, std::string_view text) {
  std::vector<InboundEvent> all;
  auto const add = [&](auto&& read) {
    for (auto& event : events_of(read)) all.push_back(std::move(event));
  };
  auto const add_one = [&](auto&& read) {
    add([&] {
      std::optional<InboundEvent> event = read();
      return event ? std::vector{*std::move(event)} : std::vector<InboundEvent>{};
    });
  };
  add([&] { return read_whatsapp(rules, "", text).events; });
  add_one([&] { return std::optional(read_call(rules, text)); });
  add_one([&] { return read_sms(rules, text); });
  add_one([&] { return read_sms_receipt(rules, text); });
  add_one([&] { return read_twilio_sms(rules, read_form(text)); });
  add_one([&] { return read_twilio_receipt(rules, read_form(text)); });
  return all;
}

/// A JSON string of any bytes, of which none ends it.
std::string quoted(std::string_view text) {
  std::string literal = "\"";
  for (auto const c : text) {
    if (c == '"' || c == '\\') literal += '\\';
    literal += c;
  }
  return literal + '"';
}

std::string form_of(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string value;
  for (auto const c : text) {
    auto const byte = static_cast<unsigned char>(c);
    value.append("%").append(1, digits[byte >> 4U]).append(1, digits[byte & 15U]);
  }
  return value;
}

/// @param text what its sender wrote, so that a part of it stands in the event's text
template <class Event>
void arrives(std::vector<InboundEvent> const& events, std::string_view text) {
  must(events.size() == 1, "any text is taken");
  check(events.front());
  auto const event = json::decode<Event>(events.front().data, webhook_limits);
  must(event.has_value() && event->text.find(text) != std::string::npos, "a text is kept");
}

void check_text(InboundRules const& rules, std::string_view bytes) {
  auto const text = json::repaired_text(bytes);
  if (text.empty() || text.size() > 1'000) return;
  auto const literal = quoted(bytes);
  auto const sms = R"({"from":"+250788123456","to":"1","message":)" + literal + "}";
  must(addressee_of_sms(sms) == "1", "the number that a text came to is known");
  arrives<SmsMessageReceived>(events_of([&] {
                                auto event = read_sms(rules, sms);
                                return event ? std::vector{*std::move(event)} : std::vector<InboundEvent>{};
                              }),
                              text);
  arrives<SmsMessageReceived>(events_of([&] {
                                auto event = read_twilio_sms(
                                    rules, read_form("From=%2B250788123456&To=1&MessageSid=S&Body=" + form_of(bytes)));
                                return event ? std::vector{*std::move(event)} : std::vector<InboundEvent>{};
                              }),
                              text);
  for (auto const* content : {R"("type":"text","text":{"body":)", R"("type":"image","image":{"caption":)",
                              R"("type":"location","location":{"name":)",
                              R"("type":"interactive","interactive":{"nfm_reply":{"response_json":"{}","body":)",
                              R"("type":"poll","poll":{"name":)"})
    arrives<WhatsappMessageReceived>(
        events_of([&] {
          auto const open =
              std::string(R"({"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages",
            "value":{"metadata":{"phone_number_id":"1"},"messages":[{"from":"250788123456","id":"w",)");
          auto const close =
              std::string_view(content).find("nfm_reply") == std::string_view::npos ? "}}]}}]}]}" : "}}}]}}]}]}";
          auto const body = std::string(open).append(content).append(literal).append(close);
          must(first_phone_number_id(body) == "1", "the number that a text came to is known");
          return read_whatsapp(rules, "", body).events;
        }),
        text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  std::string_view const text(reinterpret_cast<char const*>(bytes), size);
  InboundRules rules{"shop.example", "RW", "0123456789abcdef", 1'763'640'030'000};
  auto const events = read_all(rules, text);
  rules.now_ms += 20'000;  // within the minute
  auto const again = read_all(rules, text);
  must(again.size() == events.size(), "what is told again is taken again");
  for (std::size_t i = 0; i < events.size(); ++i) {
    check(events[i]);
    must(again[i].id == events[i].id && again[i].key == events[i].key, "what is told again is the same event");
  }

  check_text(rules, text);

  for (auto const encoding : {SignatureEncoding::hex, SignatureEncoding::base64}) {
    SignatureRule const rule{{"a secret"}, "X-Signature", "", encoding};
    must(signature_fault(rule, {{"X-Signature", std::string(text)}}, "{}", 0).has_value(),
         "nobody guesses a signature");
  }
  if (auto const moment = read_moment_ms(text)) must(*moment >= -62'135'596'800'000, "a moment can be written");
  return 0;
}
