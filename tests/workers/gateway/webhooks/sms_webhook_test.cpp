#include "workers/gateway/webhooks/sms_webhook.hpp"

#include "events/call.hpp"
#include "events/inbound.hpp"
#include "json/decode.hpp"
#include "tests/workers/gateway/webhooks/inbound.hpp"
#include "workers/gateway/webhooks/calls_webhook.hpp"
#include "workers/gateway/webhooks/twilio_webhook.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::gateway;

namespace {

constexpr auto update = R"({"from":"+250788123456","to":"+250788000000","message":"Update details"})";

InboundEvent sms(std::string_view body, InboundRules const& rules = inbound_rules()) {
  auto event = read_sms(rules, body);
  REQUIRE(event);
  return *std::move(event);
}

SmsMessageReceived told(InboundEvent const& event) {
  auto read = json::decode<SmsMessageReceived>(event.data);
  REQUIRE(read.has_value());
  return *std::move(read);
}

http::Form form(std::string_view body) {
  return read_form(body);
}

}  // namespace

TEST_CASE("an SMS becomes an event of its tenant, keyed by nothing that can be dialled") {
  auto const event = sms(update);
  CHECK(event.type == SmsMessageReceived::type);
  CHECK(event.key == "fd037e4c35eda75f38317c165b217ffa");  // HMAC-SHA256 by another program
  auto const read = json::decode<SmsMessageReceived>(event.data);
  REQUIRE(read.has_value());
  CHECK(read->domain == "shop.example");
  CHECK(read->provider == "mtn_sms");
  CHECK(read->phone_number == "+250788123456");
  CHECK(read->recipient == "+250788000000");
  CHECK(read->text == "Update details");
  CHECK(read->received_at == "2025-11-20T12:00:30Z");
  CHECK_FALSE(read->provider_message_id);
}

TEST_CASE("a number as it is dialled at home is the same person's") {
  auto const event = sms(R"({"from":"0788 123 456","to":"8080","message":"x"})");
  CHECK(event.key == sms(update).key);
  CHECK(event.data.find(R"("+250788123456")") != std::string::npos);
  auto abroad = inbound_rules();
  abroad.region = "UG";
  CHECK(sms(R"({"from":"0772123456","to":"8080","message":"x"})", abroad).data.find("+256772123456") !=
        std::string::npos);
}

TEST_CASE("keys differ by tenant and by secret") {
  auto other = inbound_rules();
  other.domain = "bank.example";
  CHECK(sms(update, other).key != sms(update).key);
  other = inbound_rules();
  other.key_secret = "another secret of ours";
  CHECK(sms(update, other).key != sms(update).key);
}

TEST_CASE("a message with the provider's id is that event, whenever it is told again") {
  auto later = inbound_rules();
  later.now_ms += 86'400'000;
  constexpr auto body =
      R"({"id":"m-1","from":"+250788123456","to":"8080","message":"Hi","timestamp":"2025-11-20T11:59:58Z"})";
  CHECK(sms(body).id == sms(body, later).id);
  CHECK(sms(body).data == sms(body, later).data);
  CHECK(sms(R"({"message_id":"m-1","from":"+250788123456","to":"8080","message":"Hi"})").id == sms(body).id);
  CHECK(sms(R"({"id":"m-2","from":"+250788123456","to":"8080","message":"Hi"})").id != sms(body).id);
  auto other = inbound_rules();
  other.domain = "bank.example";
  CHECK(sms(body, other).id != sms(body).id);
}

TEST_CASE("a number or an id that comes as a whole number is the same as its digits") {
  CHECK(sms(R"({"from":250788123456,"to":8080,"message":"Hi","id":90071992547409931})").data ==
        sms(R"({"from":"+250788123456","to":"8080","message":"Hi","id":"90071992547409931"})").data);
  CHECK(sms(R"({"from":8080,"to":250788000000,"message":"Hi","message_id":0,"id":null})").data ==
        sms(R"({"from":"8080","to":"250788000000","message":"Hi","message_id":"0"})").data);
  auto const receipt = [](std::string const& id) {
    return read_sms_receipt(inbound_rules(), R"({"deliveryStatus":"DELIVRD","transactionId":)" + id + "}")->data;
  };
  CHECK(receipt("1234567890123456789012") == receipt(R"("1234567890123456789012")"));
}

TEST_CASE("without an id the same text of the same person in the same minute is the same message") {
  auto rules = inbound_rules();
  auto const first = sms(update, rules);
  rules.now_ms += 29'000;
  CHECK(sms(update, rules).id == first.id);
  rules.now_ms += 1'000;
  CHECK(sms(update, rules).id != first.id);
  CHECK(sms(R"({"from":"+250788123457","to":"+250788000000","message":"Update details"})").id != first.id);
  CHECK(sms(R"({"from":"+250788123456","to":"+250788000001","message":"Update details"})").id != first.id);
  CHECK(sms(R"({"from":"+250788123456","to":"+250788000000","message":"update details"})").id != first.id);
  CHECK(sms(R"({"from":"+250788123456","to":"+250788000000","message":"Update details","id":""})").id == first.id);
}

TEST_CASE("its own time says which minute, and is told in RFC 3339 however it came") {
  for (auto const* time : {R"("1763640000")", "1763640000", "1763640000000", R"("2025-11-20T14:00:00+02:00")"}) {
    CAPTURE(time);
    auto const body = R"({"from":"+250788123456","to":"8080","message":"Hi","timestamp":)" + std::string(time) + "}";
    CHECK(sms(body).data.find(R"("received_at":"2025-11-20T12:00:00Z")") != std::string::npos);
    auto later = inbound_rules();
    later.now_ms += 3'600'000;
    CHECK(sms(body, later).id == sms(body).id);
  }
  CHECK(sms(R"({"from":"+250788123456","to":"8080","message":"Hi","timestamp":{"a":1}})").data.find("12:00:30Z") !=
        std::string::npos);
}

TEST_CASE("without a time of its own the request's says which minute, whenever it comes") {
  auto rules = inbound_rules();
  rules.told_ms = rules.now_ms;
  auto const first = sms(update, rules);
  rules.now_ms += 3'600'000;
  CHECK(sms(update, rules).id == first.id);
  CHECK(sms(update, rules).data == first.data);
  *rules.told_ms += 29'000;  // signed anew
  CHECK(sms(update, rules).id == first.id);
  *rules.told_ms += 1'000;
  CHECK(sms(update, rules).id != first.id);
  constexpr auto body = R"({"from":"+250788123456","to":"8080","message":"Hi","timestamp":"2025-11-20T12:00:00Z"})";
  CHECK(sms(body, rules).id == sms(body).id);
}

TEST_CASE("parts do not run together in an id") {
  CHECK(inbound_event_id({"ab", "c"}) != inbound_event_id({"a", "bc"}));
  CHECK(inbound_event_id({"a", ""}) != inbound_event_id({"a"}));
}

TEST_CASE("a sender that is no number, short code or name is 422 and is not echoed") {
  for (auto const* from : {"", "+2507881", "+1234567890123456", "077199999999999999", "+250788123456;x", "*100#"}) {
    CAPTURE(from);
    auto const body = R"({"to":"8080","message":"x","from":")" + std::string(from) + "\"}";
    auto const refusal = refusal_of([&] { read_sms(inbound_rules(), body); });
    CHECK(refusal.status == 422);
    CHECK(refusal.field == "from");
    if (*from != '\0') CHECK((refusal.title + refusal.detail).find(from) == std::string::npos);
  }
}

TEST_CASE("what is no SMS is 400 and names the field") {
  auto const refused = [](std::string const& body) {
    auto const refusal = refusal_of([&] { read_sms(inbound_rules(), body); });
    CHECK(refusal.status == 400);
    return refusal.field;
  };
  CHECK(refused("") == "");
  CHECK(refused("[]") == "");
  CHECK(refused("from=%2B250788123456") == "");
  CHECK(refused(R"({"to":"8080","message":"x"})") == "from");
  for (auto const* number : {"-250788123456", "2.5e11", "250788123456.0", "true", "null", "{}", "[250788123456]"}) {
    CAPTURE(number);
    auto const value = std::string(number);
    CHECK(refused(R"({"from":)" + value + R"(,"to":"8080","message":"x"})") == "from");
    CHECK(refused(R"({"from":"+250788123456","to":)" + value + R"(,"message":"x"})") == "to");
    CHECK(refused(R"({"from":"+250788123456","to":"8080","message":)" + value + "}") == "message");
  }
  CHECK(refused(R"({"from":"+250788123456","to":"","message":"x"})") == "recipient");
  CHECK(refused(R"({"from":"+250788123456","to":"8080","message":"x","more":)" + std::string(20, '[') +
                std::string(20, ']') + "}") != "text");
}

TEST_CASE("an odd id costs no message, and neither do digits without quotes or a very long text") {
  constexpr std::string_view plain = R"({"from":"+250788123456","to":"8080","message":"x"})";
  auto const with_id = [](std::string const& name, std::string const& id) {
    return sms(R"({"from":"+250788123456","to":"8080","message":"x",")" + name + "\":" + id + "}");
  };
  for (auto const* const name : {"id", "message_id"}) {
    for (auto const& id :
         {std::string("-1"), std::string("1.5"), std::string("true"), std::string("null"), std::string("{}"),
          std::string("[7]"), std::string("\"\""), '"' + std::string(256, 'x') + '"'}) {
      CAPTURE(id);
      CHECK(with_id(name, id).id == sms(plain).id);
    }
    CHECK(told(with_id(name, '"' + std::string(255, 'x') + '"')).provider_message_id == std::string(255, 'x'));
  }
  CHECK(told(sms(R"({"from":"+250788123456","to":"8080","message":250})")).text == "250");
  auto const long_text = std::string(most_text + 1, 'x');
  CHECK(told(sms(R"({"from":"+250788123456","to":"8080","message":")" + long_text + "\"}")).text ==
        std::string(most_text, 'x'));
  auto const twilio = form("From=%2B250788123456&To=8080&MessageSid=SM1&Body=" + long_text);
  CHECK(told(*read_twilio_sms(inbound_rules(), twilio)).text == std::string(most_text, 'x'));
}

TEST_CASE("an SMS without words is nobody's to answer") {
  CHECK_FALSE(read_sms(inbound_rules(), R"({"from":"+250788123456","to":"8080","message":""})"));
}

TEST_CASE("MTN's receipt tells what became of a message of ours") {
  auto const body = [](std::string const& status) {
    return R"({"clientCorrelatorId":"3F2504E0-4F89-51D3-9A0C-0305E82C3301","deliveryStatus":")" + status +
           R"(","details":{"anything":["at",1,"all"]},"completedDate":"2025-11-20T11:59:00.000Z","receiverAddress":"250788123456"})";
  };
  std::pair<char const*, char const*> const words[] = {
      {"ACCEPTD", "accepted"},   {"ENROUTE", "sent"},    {"DELIVERED", "delivered"},
      {"EXPIRED", "failed"},     {"DELETED", "failed"},  {"REJECTED", "failed"},
      {"UNDELIVERED", "failed"}, {"UNKNOWN", "unknown"}, {"SOMETHING", "unknown"}};
  for (auto const& each : words) {
    auto const& theirs = each.first;
    auto const& ours = each.second;
    CAPTURE(theirs);
    auto const event = read_sms_receipt(inbound_rules(), body(theirs));
    REQUIRE(event);
    auto const receipt = json::decode<DeliveryReceiptReceived>(event->data);
    REQUIRE(receipt.has_value());
    CHECK(receipt->provider == "mtn_sms");
    CHECK(receipt->status == ours);
    CHECK(receipt->effect_key == "3f2504e0-4f89-51d3-9a0c-0305e82c3301");
    CHECK(receipt->occurred_at == "2025-11-20T11:59:00Z");
    CHECK(receipt->error_code.has_value() == (receipt->status == "failed"));
    CHECK(event->data.find("788123456") == std::string::npos);
    CHECK(read_sms_receipt(inbound_rules(), body(theirs))->id == event->id);
  }
  auto const sent = read_sms_receipt(inbound_rules(), body("ENROUTE"));
  auto const delivered = read_sms_receipt(inbound_rules(), body("DELIVERED"));
  CHECK(sent->id != delivered->id);
  CHECK(sent->key == delivered->key);
}

TEST_CASE("a receipt of somebody else's message is passed over, one of no message refused") {
  CHECK_FALSE(
      read_sms_receipt(inbound_rules(), R"({"clientCorrelatorId":"+250788123456","deliveryStatus":"DELIVERED"})"));
  auto const by_id = read_sms_receipt(inbound_rules(), R"({"transactionId":"t-1","deliveryStatus":"DELIVERED"})");
  REQUIRE(by_id);
  CHECK(by_id->data.find(R"("provider_message_id":"t-1")") != std::string::npos);
  CHECK(refusal_of([] { read_sms_receipt(inbound_rules(), R"({"deliveryStatus":"DELIVERED"})"); }).field ==
        "clientCorrelatorId");
  CHECK(refusal_of([] { read_sms_receipt(inbound_rules(), R"({"transactionId":"t-1"})"); }).field == "deliveryStatus");
}

TEST_CASE("a call that ended is one event, with what was said where it is told") {
  auto const bare = read_call(inbound_rules(), R"({"call_id":"c-1","phone_number":"0788123456"})");
  auto const call = json::decode<CallTerminated>(bare.data);
  REQUIRE(call.has_value());
  CHECK(call->call_id == "c-1");
  CHECK(call->phone_number == "+250788123456");
  CHECK_FALSE(call->summary);
  CHECK_FALSE(call->transcript);
  CHECK(bare.key == sms(update).key);

  auto const whole = read_call(inbound_rules(), R"({"call_id":"c-1","phone_number":"+250788123456","summary":"S",
    "transcript":[{"speaker":"user","text":"Hello"},{"speaker":"assistant","text":""}]})");
  CHECK(whole.id == bare.id);
  auto const said = json::decode<CallTerminated>(whole.data);
  REQUIRE(said.has_value());
  CHECK(said->summary == "S");
  REQUIRE(said->transcript);
  CHECK(said->transcript->size() == 1);
  CHECK(read_call(inbound_rules(), R"({"call_id":"c-2","phone_number":"+250788123456"})").id != bare.id);
  CHECK_FALSE(
      json::decode<CallTerminated>(
          read_call(inbound_rules(), R"({"call_id":"c","phone_number":"+250788123456","summary":"","transcript":[]})")
              .data)
          ->summary);
}

TEST_CASE("a call without an id or a number is refused by the field") {
  auto const refused = [](char const* body) { return refusal_of([&] { read_call(inbound_rules(), body); }); };
  CHECK(refused(R"({"phone_number":"+250788123456"})").field == "call_id");
  CHECK(refused(R"({"call_id":"","phone_number":"+250788123456"})").field == "call_id");
  CHECK(refused(R"({"call_id":"c"})").field == "phone_number");
  CHECK(refused(R"({"call_id":"c","phone_number":"anonymous"})").status == 422);
  CHECK(refused(R"({"call_id":"c","phone_number":"+250788123456","transcript":"Hello"})").field == "transcript");
}

TEST_CASE("Twilio's signature is over its address and the fields by name") {
  // The example of Twilio's documentation.
  constexpr auto fields =
      "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212";
  constexpr auto address = "https://mycompany.com/myapp.php?foo=1&bar=2";
  http::Headers const headers{{"X-Twilio-Signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8="}};
  CHECK(twilio_signature_fault("12345", address, headers, form(fields)) == std::nullopt);
  auto reversed = form(fields);
  std::reverse(reversed.begin(), reversed.end());
  CHECK(twilio_signature_fault("12345", address, headers, reversed) == std::nullopt);
  CHECK(twilio_signature_fault("12346", address, headers, form(fields)) == "wrong");
  CHECK(twilio_signature_fault("12345", "http://example.com/", headers, form(fields)) == "wrong");
  CHECK(twilio_signature_fault("12345", address, headers, form("CallSid=CA2")) == "wrong");
  CHECK(twilio_signature_fault("12345", address, {}, form(fields)) == "missing");
  CHECK(twilio_signature_fault("12345", address, {{"X-Twilio-Signature", "?"}}, form(fields)) == "wrong");
}

TEST_CASE("Twilio's forms become the same events") {
  auto const message = read_twilio_sms(
      inbound_rules(), form("MessageSid=SM1&From=%2B250788123456&To=%2B250788000000&Body=Change+price+to+250k%21"));
  REQUIRE(message);
  CHECK(message->key == sms(update).key);
  CHECK(message->data.find(R"("text":"Change price to 250k!")") != std::string::npos);
  CHECK_FALSE(read_twilio_sms(inbound_rules(), form("MessageSid=SM1&From=%2B250788123456&To=%2B2&Body=")));

  auto const failed =
      read_twilio_receipt(inbound_rules(), form("MessageSid=SM1&MessageStatus=undelivered&ErrorCode=30003"));
  REQUIRE(failed);
  CHECK(failed->data.find(R"("status":"failed")") != std::string::npos);
  CHECK(failed->data.find(R"("error_code":"30003")") != std::string::npos);
  CHECK(failed->data.find("effect_key") == std::string::npos);
  auto const key = "6f6d6e69-6275-5000-8000-636f6e766572";
  auto const ours = read_twilio_receipt(inbound_rules(), form("MessageSid=SM1&MessageStatus=delivered"), key);
  CHECK(ours->data.find(R"("effect_key":"6f6d6e69-6275-5000-8000-636f6e766572")") != std::string::npos);
  auto const other = read_twilio_receipt(inbound_rules(), form("MessageSid=SM1&MessageStatus=delivered"), "no key");
  CHECK(other->data.find("effect_key") == std::string::npos);
  CHECK_FALSE(read_twilio_receipt(inbound_rules(), form("MessageSid=SM1&MessageStatus=received")));
  CHECK(refusal_of([] { read_twilio_receipt(inbound_rules(), form("MessageStatus=sent")); }).field == "MessageSid");
}

TEST_CASE("a form that is none is refused, and so is one of too many fields") {
  CHECK(refusal_of([] { read_form("a=%zz"); }).status == 400);
  std::string many;
  for (int i = 0; i <= 100; ++i) many += "a=b&";
  CHECK(refusal_of([&] { read_form(many); }).status == 400);
  CHECK(read_form("").empty());
  CHECK(read_form("a=%ff%00b") == http::Form{{"a", std::string("\xff\0b", 3)}});  // as it is signed
  CHECK(read_form("a&=b&&c=d=e") == http::Form{{"a", ""}, {"", "b"}, {"", ""}, {"c", "d=e"}});
}
