/// Who sends what the webhooks take: the cases of new numbers, of two spellings of one number, and of senders that are
/// no number.
#include "events/call.hpp"
#include "events/inbound.hpp"
#include "json/decode.hpp"
#include "tests/workers/gateway/webhooks/inbound.hpp"
#include "workers/gateway/webhooks/calls_webhook.hpp"
#include "workers/gateway/webhooks/sms_webhook.hpp"
#include "workers/gateway/webhooks/twilio_webhook.hpp"
#include "workers/gateway/webhooks/whatsapp_webhook.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::gateway;

namespace {

InboundEvent call(std::string const& number) {
  return read_call(inbound_rules(), R"({"call_id":"c-17","phone_number":")" + number + "\"}");
}

InboundEvent sms(std::string const& from) {
  auto event =
      read_sms(inbound_rules(), R"({"from":")" + from + R"(","to":"+250788000000","message":"Bonjour","id":"m"})");
  REQUIRE(event);
  return *std::move(event);
}

InboundEvent whatsapp(std::string const& from) {
  auto batch = read_whatsapp(
      inbound_rules(), "",
      R"({"object":"whatsapp_business_account","entry":[{"changes":[{"value":
    {"metadata":{"phone_number_id":"1001"},"messages":[{"from":")" +
          from +
          R"(","id":"wamid.1","timestamp":"1764400000","type":"text","text":{"body":"Oi"}}]},"field":"messages"}]}]})");
  REQUIRE(batch.events.size() == 1);
  return std::move(batch.events[0]);
}

template <class Event>
Event read(InboundEvent const& inbound) {
  auto event = json::decode<Event>(inbound.data);
  REQUIRE(event.has_value());
  CHECK_FALSE(validate(*event));
  return *std::move(event);
}

}  // namespace

TEST_CASE("a number newer than the library's tables is taken by each webhook") {
  CHECK(read<SmsMessageReceived>(sms("+2290197123456")).phone_number == "+2290197123456");
  CHECK(read<CallTerminated>(call("+2290197123456")).phone_number == "+2290197123456");
  auto const message = whatsapp("2290197123456");
  CHECK(read<WhatsappMessageReceived>(message).phone_number == "+2290197123456");
  CHECK(message.key == call("+2290197123456").key);
  CHECK(message.key == sms("2290197123456").key);
  auto const by_form = read_twilio_sms(inbound_rules(), read_form("MessageSid=S&From=%2B2290197123456&To=%2B1&Body=x"));
  CHECK(by_form->key == message.key);
}

TEST_CASE("one person has one key, however WhatsApp spells the number, and is answered at WhatsApp's own id") {
  struct Spellings {
    char const* wa_id;
    char const* dialled;
  };
  for (auto const& spelled : {Spellings{"554199998888", "+5541999998888"}, Spellings{"5541999998888", "+5541999998888"},
                              Spellings{"5491123456789", "+541123456789"}, Spellings{"5491123456789", "+5491123456789"},
                              Spellings{"5215512345678", "+525512345678"}}) {
    CAPTURE(spelled.wa_id);
    auto const message = whatsapp(spelled.wa_id);
    CHECK(message.key == call(spelled.dialled).key);
    CHECK(message.key == sms(spelled.dialled).key);
    auto const event = read<WhatsappMessageReceived>(message);
    CHECK(event.phone_number == read<CallTerminated>(call(spelled.dialled)).phone_number);
    CHECK(event.wa_id == spelled.wa_id);
  }
  CHECK_FALSE(read<WhatsappMessageReceived>(whatsapp("RW.118")).wa_id);
}

TEST_CASE("an SMS from a short code or a name is kept with it") {
  for (auto const* sender : {"8080", "112", "123456", "EasyMO", "MTN123456789", "M-PESA", "Banque de l’Habitat"}) {
    CAPTURE(sender);
    auto const message = sms(sender);
    auto const event = read<SmsMessageReceived>(message);
    CHECK_FALSE(event.phone_number);
    CHECK(event.sender == sender);
    CHECK(message.key == profile_key(inbound_rules(), sender));
  }
  auto const by_form =
      read_twilio_sms(inbound_rules(), read_form("MessageSid=S&From=SUPPORT&To=%2B61400000000&Body=x"));
  REQUIRE(by_form);
  CHECK(read<SmsMessageReceived>(*by_form).sender == "SUPPORT");
  CHECK_FALSE(read<SmsMessageReceived>(sms("+250788123456")).sender);
}

TEST_CASE("a call of no number is refused: nobody can be written to after it") {
  for (auto const* caller : {"anonymous", "8080", "EasyMO", "+1234567890123456", ""}) {
    CAPTURE(caller);
    CHECK(refusal_of([&] { call(caller); }).status == 422);
  }
}
