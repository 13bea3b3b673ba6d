#include "workers/gateway/webhooks/whatsapp_webhook.hpp"

#include "events/inbound.hpp"
#include "json/decode.hpp"
#include "tests/workers/gateway/webhooks/inbound.hpp"
#include "workers/gateway/webhooks/sms_webhook.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::gateway;

namespace {

// After the examples of Meta's documentation.
constexpr auto text_message =
    R"({"from":"16505551234","id":"wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA=",
  "timestamp":"1749416383","type":"text","text":{"body":"Does it come in another color?"}})";
constexpr auto delivered = R"({"id":"wamid.HBgLMTY1MDM4Nzk0MzkVAgARGBI3MTE5MjVBOTE3MDk5QUVFM0YA","status":"delivered",
  "timestamp":"1750263773","recipient_id":"16505551234","biz_opaque_callback_data":"3f2504e0-4f89-51d3-9a0c-0305e82c3301",
  "pricing":{"billable":true,"pricing_model":"CBP","category":"marketing"}})";

std::string value(std::string const& rest,
                  std::string const& contacts = R"([{"profile":{"name":"Sheena Nelson"},"wa_id":"16505551234"}])") {
  return R"({"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},"contacts":)" +
         contacts + (rest.empty() ? "" : ",") + rest + "}";
}
std::string change(std::string const& value, std::string const& field = "messages") {
  return R"({"value":)" + value + R"(,"field":")" + field + "\"}";
}
std::string payload(std::string const& changes) {
  return R"({"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[)" + changes + "]}]}";
}
std::string with_messages(std::string const& messages) {
  return payload(change(value(R"("messages":[)" + messages + "]")));
}
std::string with_statuses(std::string const& statuses) {
  return payload(change(value(R"("statuses":[)" + statuses + "]")));
}

WhatsappBatch read(std::string const& body, std::string_view phone_number_id = "") {
  return read_whatsapp(inbound_rules(), phone_number_id, body);
}

template <class Event>
Event only(WhatsappBatch const& batch) {
  REQUIRE(batch.events.size() == 1);
  CHECK(batch.passed_over == 0);
  CHECK(batch.events[0].type == Event::type);
  auto event = json::decode<Event>(batch.events[0].data);
  REQUIRE(event.has_value());
  return *std::move(event);
}

std::string changed(std::string text, std::string_view from, std::string_view to) {
  auto const at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("a text message becomes an event of its sender") {
  auto const batch = read(with_messages(text_message));
  auto const message = only<WhatsappMessageReceived>(batch);
  CHECK(message.domain == "shop.example");
  CHECK(message.provider_message_id == "wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA=");
  CHECK(message.recipient == "106540352242922");
  CHECK(message.kind == "text");
  CHECK(message.text == "Does it come in another color?");
  CHECK(message.received_at == "2025-06-08T20:59:43Z");
  CHECK(message.phone_number == "+16505551234");
  CHECK_FALSE(message.whatsapp_user_id);
  CHECK(batch.events[0].key == profile_key(inbound_rules(), "+16505551234"));
}

TEST_CASE("one person has one key on every channel") {
  auto const sms = read_sms(inbound_rules(), R"({"from":"+16505551234","to":"1","message":"x"})");
  CHECK(read(with_messages(text_message)).events[0].key == sms->key);
}

TEST_CASE("a person may have a user id besides the number, or instead of it") {
  auto const both = only<WhatsappMessageReceived>(
      read(with_messages(changed(text_message, R"("id")", R"("from_user_id":"RW.13491208655302741918","id")"))));
  CHECK(both.phone_number == "+16505551234");
  CHECK(both.whatsapp_user_id == "RW.13491208655302741918");

  auto const nameless = changed(text_message, R"("from":"16505551234",)", "");
  auto const by_contact = read(payload(
      change(value(R"("messages":[)" + nameless + "]", R"([{"profile":{"username":"s"},"user_id":"RW.ENT.118"}])"))));
  auto const one = only<WhatsappMessageReceived>(by_contact);
  CHECK_FALSE(one.phone_number);
  CHECK(one.whatsapp_user_id == "RW.ENT.118");
  CHECK(by_contact.events[0].key == profile_key(inbound_rules(), "RW.ENT.118"));

  auto const as_sender =
      only<WhatsappMessageReceived>(read(with_messages(changed(text_message, "16505551234", "RW.118"))));
  CHECK_FALSE(as_sender.phone_number);
  CHECK(as_sender.whatsapp_user_id == "RW.118");
}

TEST_CASE("whose message it is when there are several contacts says the number only") {
  constexpr auto two = R"([{"wa_id":"250788123456","user_id":"RW.1"},{"wa_id":"16505551234","user_id":"US.2"}])";
  auto const message = only<WhatsappMessageReceived>(
      read(payload(change(value(R"("messages":[)" + std::string(text_message) + "]", two)))));
  CHECK(message.whatsapp_user_id == "US.2");
  auto const nameless = read(
      payload(change(value(R"("messages":[)" + changed(text_message, R"("from":"16505551234",)", "") + "]", two))));
  CHECK(nameless.events.empty());
  CHECK(nameless.passed_over == 1);
}

TEST_CASE("a status becomes a receipt, by our key where it was echoed") {
  auto const batch = read(with_statuses(delivered));
  auto const receipt = only<DeliveryReceiptReceived>(batch);
  CHECK(receipt.provider == "whatsapp_cloud");
  CHECK(receipt.status == "delivered");
  CHECK(receipt.provider_message_id == "wamid.HBgLMTY1MDM4Nzk0MzkVAgARGBI3MTE5MjVBOTE3MDk5QUVFM0YA");
  CHECK(receipt.effect_key == "3f2504e0-4f89-51d3-9a0c-0305e82c3301");
  CHECK(receipt.occurred_at == "2025-06-18T16:22:53Z");
  CHECK_FALSE(receipt.error_code);
  CHECK(batch.events[0].data.find("16505551234") == std::string::npos);
  CHECK(batch.events[0].key.find("wamid") == std::string::npos);

  auto const read_one = read(with_statuses(changed(delivered, "\"delivered\"", "\"read\"")));
  CHECK(read_one.events[0].id != batch.events[0].id);
  CHECK(read_one.events[0].key == batch.events[0].key);
}

TEST_CASE("what others attach to their messages is not taken for our key") {
  CHECK_FALSE(only<DeliveryReceiptReceived>(
                  read(with_statuses(changed(delivered, "3f2504e0-4f89-51d3-9a0c-0305e82c3301", "+250788123456"))))
                  .effect_key);
}

TEST_CASE("a failure has WhatsApp's code") {
  auto const failed =
      changed(delivered, R"("delivered")", R"("failed","errors":[{"code":131026,"title":"Undeliverable"},{"code":1}])");
  auto const receipt = only<DeliveryReceiptReceived>(read(with_statuses(failed)));
  CHECK(receipt.status == "failed");
  CHECK(receipt.error_code == "131026");
  auto const without = changed(delivered, R"("delivered")", R"("failed","errors":[{"title":"?"}])");
  CHECK_FALSE(only<DeliveryReceiptReceived>(read(with_statuses(without))).error_code);
}

TEST_CASE("messages and statuses of one payload keep their order, and a retry has the same ids") {
  auto const body = payload(change(value(R"("messages":[)" + std::string(text_message) + "]")) + "," +
                            change(value(R"("statuses":[)" + std::string(delivered) + "," +
                                         changed(delivered, "\"delivered\"", "\"read\"") + "]")));
  auto const first = read(body);
  REQUIRE(first.events.size() == 3);
  CHECK(first.events[0].type == WhatsappMessageReceived::type);
  CHECK(first.events[1].data.find("\"delivered\"") != std::string::npos);
  CHECK(first.events[2].data.find("\"read\"") != std::string::npos);
  auto later = inbound_rules();
  later.now_ms += 7 * 86'400'000LL;
  auto const again = read_whatsapp(later, "", body);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(again.events[i].id == first.events[i].id);
    CHECK(again.events[i].data == first.events[i].data);
  }
}

TEST_CASE("what concerns nobody here is passed over, and is no harm to the rest") {
  auto const odd = {
      R"({"from":"16505551234","id":"w","type":"system","system":{"body":"changed numbers","type":"user_changed_number"}})",
      R"({"from":"16505551234","id":"w","type":"request_welcome"})",
      R"({"from":"16505551234","id":"w","type":"reaction"})",
      R"({"from":"16505551234","id":"w","type":"text","group_id":"g","text":{"body":"hi"}})",
      R"({"from":"16505551234","id":"w","type":"text","text":"no object"})",
      R"({"from":"16505551234","id":"","type":"text","text":{"body":"no id"}})",
      R"({"from":"not a number","id":"w","type":"text","text":{"body":"nobody"}})",
      R"({"id":"w","type":"text","text":{"body":"nobody"},"from":null})",
      R"({"from":"16505551234","from":"1","id":"w","type":"text","text":{"body":"two senders"}})",
      R"({"from":"16505551234","id":"w","type":"text","text":{"body":"deep"},"x":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]})",
      R"({"from":"16505551234","id":"w","type":"text","text":{"body":nothing}})",
      R"("a text")",
      R"(7)",
  };
  for (auto const* one : odd) {
    CAPTURE(one);
    auto const batch = read(with_messages(std::string(one) + "," + text_message));
    // The one contact of the payload tells no user id, so that nobody is mistaken for another.
    CHECK(batch.events.size() == 1);
    CHECK(batch.passed_over == 1);
  }
  CHECK(read(with_statuses(changed(delivered, "\"delivered\"", "\"deleted\""))).passed_over == 1);
  CHECK(read(payload(change("{\"event\":\"APPROVED\"}", "message_template_status_update"))).passed_over == 1);
  CHECK(read(payload(change("7"))).passed_over == 1);
  CHECK(read(payload(change(value("")))).passed_over == 0);
  CHECK(read(payload(change(value(R"("messages":{},"statuses":null)")))).passed_over == 1);
  CHECK(read(payload(change(std::string(40, '[') + std::string(40, ']')))).passed_over == 1);
  CHECK(read(payload(R"(7,{"field":"messages"})")).passed_over == 2);
  CHECK(read(R"({"object":"whatsapp_business_account","entry":[7,{"changes":{}},{"changes":null},{}]})").passed_over ==
        2);
  CHECK(read(R"({"object":"whatsapp_business_account","entry":[]})").events.empty());
}

TEST_CASE("what is about another number of ours is passed over where one is named") {
  CHECK(read(with_messages(text_message), "106540352242922").events.size() == 1);
  auto const other = read(with_messages(text_message), "106540352242923");
  CHECK(other.events.empty());
  CHECK(other.passed_over == 1);
}

TEST_CASE("what is no payload of WhatsApp is refused") {
  for (auto const* body :
       {"", "{}", "[]", R"({"object":"page","entry":[]})", R"({"object":"whatsapp_business_account"})",
        R"({"object":"whatsapp_business_account","entry":{}})",
        R"({"object":"whatsapp_business_account","entry":[]} x)",
        R"({"object":"whatsapp_business_account","entry":[{"changes":[])", "object=whatsapp_business_account"}) {
    CAPTURE(body);
    CHECK(refusal_of([&] { read(body); }).status == 400);
  }
}

TEST_CASE("a payload of too many things is refused as a whole") {
  std::string statuses = delivered;
  for (int i = 0; i < 1'999; ++i) statuses.append(",").append("{}");
  CHECK(read(with_statuses(statuses)).passed_over == 1'999);
  auto const twice = payload(change(value(R"("statuses":[)" + statuses + "]")) + "," +
                             change(value(R"("statuses":[)" + statuses + "]")));
  CHECK(refusal_of([&] { read(twice); }).status == 413);
}
