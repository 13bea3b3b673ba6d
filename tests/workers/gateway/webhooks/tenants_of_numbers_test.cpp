// What comes to a number belongs to its tenant, and what is too old is a replay.
#include "events/inbound.hpp"
#include "json/decode.hpp"
#include "tests/workers/gateway/webhooks/inbound.hpp"
#include "workers/gateway/webhooks/sms_webhook.hpp"
#include "workers/gateway/webhooks/twilio_webhook.hpp"
#include "workers/gateway/webhooks/whatsapp_webhook.hpp"

#include <string>

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace omnibus;
using namespace omnibus::gateway;

namespace {

constexpr auto day_ms = std::int64_t{86'400'000};

InboundRules rules_of(std::string domain) {
  auto rules = inbound_rules();
  rules.domain = std::move(domain);
  rules.of_sender = true;
  return rules;
}

std::string whatsapp_change(std::string_view number, std::string_view entries) {
  return fmt::format(R"({{"field":"messages","value":{{"metadata":{{"phone_number_id":"{}"}},{}}}}})", number, entries);
}

std::string whatsapp_payload(std::string const& changes) {
  return R"({"object":"whatsapp_business_account","entry":[{"changes":[)" + changes + "]}]}";
}

std::string message_at(std::string_view id, std::int64_t ms) {
  return fmt::format(
      R"("messages":[{{"from":"250788123456","id":"{}","timestamp":"{}","type":"text","text":{{"body":"x"}}}}])", id,
      ms / 1000);
}

std::string status_of_message(std::string_view id) {
  return fmt::format(R"("statuses":[{{"id":"{}","status":"delivered","timestamp":"1763640000"}}])", id);
}

}  // namespace

TEST_CASE("messages and receipts of one payload belong to the tenants of their numbers") {
  auto const now = inbound_rules().now_ms;
  auto const body = whatsapp_payload(whatsapp_change("1", message_at("wamid.1", now)) + "," +
                                     whatsapp_change("2", status_of_message("wamid.2")) + "," +
                                     whatsapp_change("3", message_at("wamid.3", now)));
  auto const batch = read_whatsapp(
      [](std::string_view number) -> std::optional<InboundRules> {
        if (number == "3") return std::nullopt;
        return rules_of(number == "1" ? "a.example" : "b.example");
      },
      body);
  REQUIRE(batch.events.size() == 2);
  CHECK(batch.passed_over == 1);
  CHECK(batch.events[0].domain == "a.example");
  CHECK(json::decode<WhatsappMessageReceived>(batch.events[0].data)->domain == "a.example");
  CHECK(batch.events[1].domain == "b.example");
  CHECK(json::decode<DeliveryReceiptReceived>(batch.events[1].data)->domain == "b.example");
  CHECK(first_phone_number_id(body) == "1");
  for (auto const* const none : {"", "{}", "[]", R"({"entry":[{"changes":[{"value":7}]}]})"})
    CHECK(first_phone_number_id(none).empty());
}

TEST_CASE("the number that a message came to is known although a text beside it is malformed") {
  for (auto const* const text : {"Hello", "half \\ud83d", "nul \\u0000", "bad \xFF", "line\nbreak"}) {
    CAPTURE(text);
    auto const sms = std::string(R"({"from":"+250788123456","message":")") + text + R"(","to":"+250788111111"})";
    CHECK(addressee_of_sms(sms) == "+250788111111");
    auto const message = std::string(R"("messages":[{"type":"text","text":{"body":")") + text + R"("}}])";
    CHECK(first_phone_number_id(whatsapp_payload(whatsapp_change("1", message))) == "1");
  }
  CHECK(addressee_of_sms(R"({"to":8080})") == "8080");
  for (auto const* const none : {"", "{}", "[]", R"({"to":null})", R"({"to":{}})", "{\"to\":"})
    CHECK(addressee_of_sms(none).empty());
}

TEST_CASE("a receipt carries its tenant, and no tenant's has the id of another's") {
  auto const mtn = R"({"transactionId":"t1","deliveryStatus":"DELIVERED"})";
  auto const form = read_form("MessageSid=SM1&MessageStatus=delivered&From=%2B15550001111");
  auto const of_a = rules_of("a.example");
  auto const of_b = rules_of("b.example");
  CHECK(json::decode<DeliveryReceiptReceived>(read_sms_receipt(of_a, mtn)->data)->domain == "a.example");
  CHECK(json::decode<DeliveryReceiptReceived>(read_twilio_receipt(of_a, form)->data)->domain == "a.example");
  CHECK(read_sms_receipt(of_a, mtn)->id != read_sms_receipt(of_b, mtn)->id);
  CHECK(read_twilio_receipt(of_a, form)->id != read_twilio_receipt(of_b, form)->id);
  // Several tenants may share the sender of the settings.
  CHECK_FALSE(json::decode<DeliveryReceiptReceived>(read_sms_receipt(inbound_rules(), mtn)->data)->domain);
}

TEST_CASE("what says of itself that it is too old is passed over") {
  auto rules = inbound_rules();
  rules.longest_age_ms = 8 * day_ms;
  auto const sms_at = [&](std::int64_t ms) {
    return read_sms(rules, fmt::format(R"({{"from":"+250788123456","to":"8080","message":"x","timestamp":"{}"}})", ms))
        .has_value();
  };
  auto const whatsapp_at = [&](std::int64_t ms) {
    return read_whatsapp(rules, "", whatsapp_payload(whatsapp_change("1", message_at("wamid.1", ms)))).events.size() ==
           1;
  };
  auto const receipt_at = [&](std::int64_t ms) {
    return read_sms_receipt(
               rules, fmt::format(R"({{"transactionId":"t1","deliveryStatus":"DELIVERED","completedDate":{}}})", ms))
        .has_value();
  };
  for (auto const age : {std::int64_t{0}, 7 * day_ms}) {
    CHECK(sms_at(rules.now_ms - age));
    CHECK(whatsapp_at(rules.now_ms - age));
    CHECK(receipt_at(rules.now_ms - age));
  }
  CHECK_FALSE(sms_at(rules.now_ms - 9 * day_ms));
  CHECK_FALSE(whatsapp_at(rules.now_ms - 9 * day_ms));
  CHECK_FALSE(receipt_at(rules.now_ms - 9 * day_ms));
  CHECK(read_sms(rules, R"({"from":"+250788123456","to":"8080","message":"x"})").has_value());  // it has no time
  CHECK(read_sms(rules, R"({"from":"+250788123456","to":"8080","message":"x","timestamp":"soon"})").has_value());
}
