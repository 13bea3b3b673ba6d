#include "workers/gateway/webhooks/whatsapp_words.hpp"

#include "events/inbound.hpp"
#include "json/decode.hpp"
#include "tests/workers/gateway/webhooks/inbound.hpp"
#include "workers/gateway/webhooks/whatsapp_webhook.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::gateway;

namespace {

/// The words of a message with this content, which are also those of its event.
std::string said(std::string const& type, std::string const& content) {
  auto const message = R"({"from":"16505551234","id":"w","type":")" + type + R"(",")" + type + "\":" + content + "}";
  auto const batch = read_whatsapp(inbound_rules(), "",
                                   R"({"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages",
      "value":{"metadata":{"phone_number_id":"1"},"messages":[)" +
                                       message + "]}}]}]}");
  REQUIRE(batch.events.size() == 1);
  auto const event = json::decode<WhatsappMessageReceived>(batch.events[0].data);
  REQUIRE(event.has_value());
  CHECK(event->kind == type);
  return event->text;
}

std::string flow(std::string const& response_json) {
  return said("interactive", R"({"type":"nfm_reply","nfm_reply":{"name":"flow","body":"Sent","response_json":)" +
                                 response_json + "}}");
}

}  // namespace

TEST_CASE("texts, buttons, list choices and captions are what was said") {
  CHECK(said("text", R"({"body":"Hello"})") == "Hello");
  CHECK(said("button", R"({"payload":"p","text":"Unsubscribe"})") == "Unsubscribe");
  CHECK(said("interactive", R"({"type":"button_reply","button_reply":{"id":"1","title":"Change"}})") == "Change");
  CHECK(said("interactive", R"({"type":"list_reply","list_reply":{"id":"1","title":"Express","description":"d"}})") ==
        "Express");
  CHECK(said("image", R"({"caption":"This one","mime_type":"image/jpeg","sha256":"s","id":"1"})") == "This one");
  CHECK(said("video", R"({"caption":"Look","id":"1"})") == "Look");
  CHECK(said("document", R"({"caption":"Signed","filename":"a.pdf","id":"1"})") == "Signed");
}

TEST_CASE("a form's answers are what was said, without its token") {
  // The case.
  CHECK(flow(R"("{\"q1_rating\": \"Bad\", \"q2_comment\": \"Order 17 never came\", \"flow_token\": \"unused\"}")") ==
        "q1_rating: Bad\nq2_comment: Order 17 never came");
  CHECK(flow(R"("{\"colors\":[\"red\",\"dark \\u201cblue\\u201d\"],\"count\":2,\"agree\":true,\"none\":null}")") ==
        "colors: red, dark “blue”\ncount: 2\nagree: true");
  // An address message, with an object in it.
  CHECK(flow(R"("{\"saved_address_id\":\"a1\",\"values\":{\"name\":\"Jane\",\"city\":\"Pune\",\"codes\":[1,[2]]}}")") ==
        "saved_address_id: a1\nvalues: name: Jane; city: Pune; codes: 1, 2");
  CHECK(flow(R"("{\"q\":\"half \\ud83d\"}")") == "q: half \xEF\xBF\xBD");
  CHECK(flow(R"("{\"flow_token\":\"t\"}")") == "Sent");
  CHECK(flow(R"("{}")") == "Sent");
  CHECK(flow(R"("no JSON")") == "no JSON");
  CHECK(said("interactive", R"({"type":"nfm_reply","nfm_reply":{"name":"flow"}})") == "[form]");
  CHECK(said("interactive", R"({"type":"call_permission_reply","call_permission_reply":{"response":"accept"}})") ==
        "[call permission] accept");
}

TEST_CASE("contacts, places, orders and reactions arrive with their words") {
  CHECK(said("contacts", R"([{"name":{"formatted_name":"Jane Doe","first_name":"Jane"},"org":{"company":"Doe Ltd"},
    "phones":[{"phone":"+250 788 123 456","wa_id":"250788123456","type":"CELL"},{"wa_id":"250788123457"}],
    "emails":[{"email":"jane@doe.example"}]},{"name":{"first_name":"Bob"}}])") ==
        "[contact] Jane Doe, Doe Ltd, +250 788 123 456, 250788123457, jane@doe.example\n[contact] Bob");
  CHECK(said("contacts", "[]") == "[contact]");
  CHECK(said("location", R"({"latitude":-1.95,"longitude":30.06,"name":"Our house","address":"KN 3 Road, Kigali"})") ==
        "[location] Our house, KN 3 Road, Kigali (-1.95, 30.06)");
  CHECK(said("location", R"({"latitude":-1.95,"longitude":30.06})") == "[location] -1.95, 30.06");
  CHECK(said("order", R"({"catalog_id":"c","text":"No sugar","product_items":[
    {"product_retailer_id":"mocha","quantity":2,"item_price":3.5,"currency":"USD"},
    {"product_retailer_id":"tea","quantity":"1","item_price":"2","currency":"USD"}]})") ==
        "[order] 2 x mocha at 3.5 USD, 1 x tea at 2 USD\nNo sugar");
  CHECK(said("reaction", R"({"message_id":"w0","emoji":"👍"})") == "[reaction] 👍");
  CHECK(said("reaction", R"({"message_id":"w0"})") == "[reaction removed]");
}

TEST_CASE("content without words says what it is") {
  CHECK(said("image", R"({"id":"1"})") == "[image]");
  CHECK(said("video", R"({"id":"1"})") == "[video]");
  CHECK(said("audio", R"({"mime_type":"audio/ogg","id":"1","voice":true})") == "[voice message]");
  CHECK(said("audio", R"({"mime_type":"audio/mpeg","id":"1"})") == "[audio]");
  CHECK(said("document", R"({"filename":"invoice.pdf","id":"1"})") == "[document] invoice.pdf");
  CHECK(said("sticker", R"({"id":"1","animated":true})") == "[sticker]");
  CHECK(said("unsupported", "{}") == "[unsupported message]");
  CHECK(said("unknown", "null") == "[unsupported message]");
  CHECK(said("hologram", R"({"id":"1"})") == "[hologram]");
  CHECK(said("hologram", R"({"text":"Hi"})") == "Hi");
  CHECK(said("text", R"({"body":""})") == "[text]");
}

TEST_CASE("content of an odd form costs no message") {
  for (auto const* odd : {"null", "7", "\"x\"", "[]", "[7,null]", "{}", R"({"caption":7})", R"({"caption":null})"}) {
    CAPTURE(odd);
    for (auto const* type : {"button", "interactive", "image", "video", "audio", "voice", "document", "sticker",
                             "location", "contacts", "order", "unsupported", "poll"})
      CHECK_FALSE(said(type, odd).empty());
  }
}
