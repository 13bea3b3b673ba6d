/// Posts of providers that public reports of other systems tell of. Facts only: each is written anew.
#include "events/inbound.hpp"
#include "json/decode.hpp"
#include "tests/workers/gateway/webhooks/inbound.hpp"
#include "workers/gateway/webhooks/sms_webhook.hpp"
#include "workers/gateway/webhooks/twilio_webhook.hpp"
#include "workers/gateway/webhooks/whatsapp_webhook.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::gateway;

namespace {

struct ReportedForm {
  char const* source;
  char const* form;
  char const* sender;  ///< a phone number, or another sender
  char const* text;
};

constexpr ReportedForm forms[] = {
    {"github.com/chatwoot/chatwoot/issues/2378: a name as sender, refused with 500",
     "ToCountry=AU&NumSegments=1&From=SUPPORT&To=%2B61400000000&Body=You+have+a+new+reply&NumMedia=0&MessageSid=SM1",
     "SUPPORT", "You have a new reply"},
    {"github.com/chatwoot/chatwoot/pull/15284: a short code of 5 digits, lost after 204",
     "From=22395&To=%2B15005550006&Body=Your+code+is+7&MessageSid=SM2", "22395", "Your code is 7"},
    {"github.com/zammad/zammad/issues/5289: a picture with a blank text, refused",
     "MediaContentType0=image%2Fjpeg&NumMedia=1&Body=+&From=%2B15005550009&To=%2B15005550006&MessageSid=MM3",
     "+15005550009", "[image]"},
    {"github.com/turt2live/matrix-appservice-twilio/issues/14: no text at all beside three pictures",
     "MediaContentType1=image%2Fjpeg&MediaContentType0=image%2Fpng&NumMedia=3&From=%2B15005550009&To=%2B1500&"
     "MessageSid=M",
     "+15005550009", "[image]"},
    {"github.com/capcom6/android-sms-gateway/issues/240: customers send pictures unasked; here a contact",
     "MediaContentType0=text%2Fx-vcard&NumMedia=1&Body=&From=%2B15005550009&To=%2B15005550006&MessageSid=MM4",
     "+15005550009", "[contact]"},
    {"github.com/mobi/telephone_number/issues/138: ten digits in Benin",
     "From=%2B2290191234567&To=%2B1500&Body=Salut&MessageSid=SM5", "+2290191234567", "Salut"},
    {"github.com/fazer-ai/agents/issues/218: a character that a database refuses, sent again for ever",
     "From=%2B15005550009&To=%2B1500&Body=half%ED%A0%BD+and%00&MessageSid=SM6", "+15005550009", "half\xEF\xBF\xBD and"},
};

struct ReportedMessage {
  char const* source;
  char const* message;
  char const* phone_number;
  char const* text;
};

constexpr ReportedMessage messages[] = {
    {"github.com/restfb/restfb/issues/1239: a message of type unknown",
     R"({"from":"491234567890","id":"w","timestamp":"1653253313","errors":[{"code":131051,"title":"Unsupported"}],"type":"unknown"})",
     "+491234567890", "[unsupported message]"},
    {"github.com/chatwoot/chatwoot/issues/10411: a reaction is often the only answer of a customer",
     R"({"from":"491234567890","id":"w","type":"reaction","reaction":{"message_id":"w0","emoji":"👍"}})",
     "+491234567890", "[reaction] 👍"},
    {"github.com/NousResearch/hermes-agent/issues/80053: a location came as an empty text",
     R"({"from":"491234567890","id":"w","type":"location","location":{"latitude":52.5,"longitude":13.4,"name":"Mitte"}})",
     "+491234567890", "[location] Mitte (52.5, 13.4)"},
    {"github.com/NousResearch/hermes-agent/issues/80106: an order came as an empty text",
     R"({"from":"491234567890","id":"w","type":"order","order":{"catalog_id":"1","product_items":[{"product_retailer_id":"A","quantity":1}]}})",
     "+491234567890", "[order] 1 x A"},
    {"github.com/nyaruka/courier/issues/433: who was written to with the ninth digit answers without it",
     R"({"from":"558299448232","id":"w","type":"text","text":{"body":"Oi"}})", "+5582999448232", "Oi"},
    {"github.com/wwebjs/whatsapp-web.js/issues/596: an account of Rio with eight digits that begin with 6",
     R"({"from":"552164180266","id":"w","type":"text","text":{"body":"Oi"}})", "+5521964180266", "Oi"},
    {"github.com/chatwoot/chatwoot/issues/14048: a 1 behind Mexico's 52",
     R"({"from":"5215512345678","id":"w","type":"text","text":{"body":"Hola"}})", "+525512345678", "Hola"},
    {"github.com/ericvera/whatsapp-cloudapi/pull/23: the answers of a flow",
     R"({"from":"491234567890","id":"w","type":"interactive","interactive":{"type":"nfm_reply","nfm_reply":
        {"name":"flow","body":"Sent","response_json":"{\"size\":\"L\",\"flow_token\":\"t\"}"}}})",
     "+491234567890", "size: L"},
    {"github.com/rapidpro/rapidpro/pull/242: media left an empty message; here a voice message",
     R"({"from":"491234567890","id":"w","type":"audio","audio":{"id":"1","voice":true}})", "+491234567890",
     "[voice message]"},
};

struct ReportedSignature {
  char const* source;
  char const* form;
  char const* signature;  ///< by another program: base64 of HMAC-SHA1 over the string in Twilio's order
};

constexpr auto address = "https://hooks.shop.example/webhooks/sms";
constexpr ReportedSignature signatures[] = {
    {"the case: two fields twice, with different values and with equal ones",
     "From=%2B250788222002&Body=hello&MessageSid=SM00000000000000000000000000000b17&To=%2B250788000000&NumMedia=0&"
     "AccountSid=AC1&ApiVersion=2010-04-01&Participant.Address=%2B15005550009&Participant.Address=%2B15005550006&"
     "Answer_color=red&Answer_color=red",
     "stXgoSqZfqRuGm4V9amZNmZG0GY="},
    {"github.com/twilio/twilio-node/issues/722: addresses of a group, in another order than signed",
     "MessageSid=SM1&MessagingBinding.Address=%2B18550000000&MessagingBinding.Address=%2B18330000000&From=%2B1&Body=x",
     "BF9neyMFDLGb1lAAxicOuydoSQA="},
    {"github.com/twilio/twilio-python/issues/613: a field with a value for each time it was named",
     "Field_number_Value=48&Field_number_Value=24&Field_number_Value=9&Field_number_Value=24&Body=x",
     "emwtRVPpnYbjdNGlrXDT5Bqufz0="},
    {"github.com/twilio/twilio-php/issues/458: a value that is JSON",
     "Body=x&AddOns=%7B%22status%22%3A%22successful%22%2C%22results%22%3A%7B%7D%7D", "z/PKASqFHRYf1cFzcWwXDR/2ef8="},
};

template <class Event>
Event event_of(InboundEvent const& inbound) {
  auto event = json::decode<Event>(inbound.data);
  REQUIRE(event.has_value());
  CHECK_FALSE(validate(*event));
  return *std::move(event);
}

}  // namespace

TEST_CASE("forms of Twilio that other systems lost are taken") {
  for (auto const& report : forms) {
    CAPTURE(report.source);
    auto const inbound = read_twilio_sms(inbound_rules(), read_form(report.form));
    REQUIRE(inbound);
    auto const event = event_of<SmsMessageReceived>(*inbound);
    CHECK(event.phone_number.value_or(event.sender.value_or("")) == report.sender);
    CHECK(event.text == report.text);
  }
}

TEST_CASE("messages on WhatsApp that other systems lost are taken") {
  for (auto const& report : messages) {
    CAPTURE(report.source);
    auto const batch = read_whatsapp(inbound_rules(), "",
                                     R"({"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages",
      "value":{"metadata":{"phone_number_id":"1"},"messages":[)" +
                                         std::string(report.message) + "]}}]}]}");
    REQUIRE(batch.events.size() == 1);
    auto const event = event_of<WhatsappMessageReceived>(batch.events[0]);
    CHECK(event.phone_number == report.phone_number);
    CHECK(event.text == report.text);
  }
}

TEST_CASE("fields that come twice are signed as Twilio signs them") {
  for (auto const& report : signatures) {
    CAPTURE(report.source);
    http::Headers const headers{{"X-Twilio-Signature", report.signature}};
    CHECK(twilio_signature_fault("twilio-token", address, headers, read_form(report.form)) == std::nullopt);
    auto const other = read_form(std::string(report.form) + "&Body=more");
    CHECK(twilio_signature_fault("twilio-token", address, headers, other) == "wrong");
  }
}

TEST_CASE("the words of the GSMA's OneAPI are receipts, too") {
  // github.com/infobip/oneapi-php/issues/7, smsapi.ibda3soft.net/Help/Api/POST-api-MTN-Notify
  auto const status = [](std::string const& theirs) {
    auto const receipt =
        read_sms_receipt(inbound_rules(), R"({"transactionId":"t","deliveryStatus":")" + theirs + "\"}");
    REQUIRE(receipt);
    return event_of<DeliveryReceiptReceived>(*receipt).status;
  };
  CHECK(status("DeliveredToTerminal") == "delivered");
  CHECK(status("DeliveredToNetwork") == "sent");
  CHECK(status("DeliveryImpossible") == "failed");
  CHECK(status("DeliveryUncertain") == "unknown");
}
