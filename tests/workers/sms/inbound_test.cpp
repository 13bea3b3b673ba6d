#include "workers/sms/inbound.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::sms;

TEST_CASE("an SMS is what a phone number wrote, by its provider") {
  SmsMessageReceived message;
  message.domain = "shop.example";
  message.provider = "mtn_sms";
  message.phone_number = "+250788123456";
  message.text = "Hello";
  message.received_at = "2026-11-20T10:00:00Z";
  message.provider_message_id = "m-1";
  auto const said = inbound(message);
  CHECK(said.domain == "shop.example");
  CHECK(said.channel == sessions::Channel::sms);
  CHECK(said.sender.phone_number == "+250788123456");
  CHECK_FALSE(said.sender.whatsapp_user_id);
  CHECK(said.kind == "message");
  CHECK(said.text == "Hello");
  CHECK(said.provider == "mtn_sms");
  CHECK(said.provider_message_id == "m-1");
  CHECK(said.received_ms == 1'795'168'800'000);
}

TEST_CASE("a WhatsApp message may come from a user id alone, and without words") {
  WhatsappMessageReceived message;
  message.domain = "shop.example";
  message.provider_message_id = "wamid.1";
  message.whatsapp_user_id = "RW.1";
  message.received_at = "2026-11-20T10:00:00Z";
  auto const said = inbound(message);
  CHECK(said.channel == sessions::Channel::whatsapp);
  CHECK_FALSE(said.sender.phone_number);
  CHECK(said.sender.whatsapp_user_id == "RW.1");
  CHECK(said.text.empty());
  CHECK(said.provider_message_id == "wamid.1");
  CHECK(said.received_ms == 1'795'168'800'000);
}

TEST_CASE("an SMS of a sender without a number cannot be answered") {
  SmsMessageReceived message;
  message.sender = "8080";
  auto const said = inbound(message);
  CHECK_FALSE(said.sender.phone_number);
  CHECK(said.sender.sms_sender == "8080");
  CHECK_FALSE(can_be_answered(said));
  message.phone_number = "+250788123456";
  CHECK(can_be_answered(inbound(message)));
  CHECK_FALSE(inbound(message).sender.sms_sender);  // the number is the person's identity
}

TEST_CASE("a WhatsApp message tells where to answer, and whether to") {
  WhatsappMessageReceived message;
  message.phone_number = "+5541999998888";
  message.wa_id = "554199998888";
  message.kind = "image";
  CHECK(inbound(message).sender.wa_id == "554199998888");
  CHECK(inbound(message).wants_answer);
  for (auto const* kind : {"reaction", "edit", "revoke"}) {
    message.kind = kind;
    CHECK_FALSE(inbound(message).wants_answer);
  }
}

TEST_CASE("only what the person wrote, or a template's button, is a keyword") {
  WhatsappMessageReceived message;
  message.text = "Stop";
  for (auto const* kind : {"text", "button"}) {
    message.kind = kind;
    CHECK(keyword(inbound(message)) == messaging::Keyword::stop);
  }
  message.kind = "interactive";  // a choice from a list of ours
  CHECK_FALSE(keyword(inbound(message)));
  message.kind = "revoke";
  message.text = "[revoke]";
  CHECK_FALSE(keyword(inbound(message)));
}

TEST_CASE("a time that cannot be read opens no window") {
  WhatsappMessageReceived message;
  message.received_at = "yesterday";
  CHECK(inbound(message).received_ms == 0);
}

TEST_CASE("a sender's keys are the record's, if it is a subject key, and those that the secrets make") {
  SmsMessageReceived message;
  message.domain = "shop.example";
  message.phone_number = "+250788123456";
  std::string const record_key = "0123456789abcdef0123456789abcdef";
  sessions::KeySecrets const secrets{Secret{"present"}, Secret{"previous"}};
  auto const made = sessions::subject_keys(secrets, message.domain, {message.phone_number});
  REQUIRE(made.size() == 2);
  CHECK(with_keys(inbound(message), record_key, {}).subject_keys == std::vector{record_key});
  CHECK(with_keys(inbound(message), record_key, {}).sender.subject_key == record_key);
  CHECK(with_keys(inbound(message), made[0], secrets).subject_keys == made);
  CHECK(with_keys(inbound(message), record_key, secrets).subject_keys == std::vector{record_key, made[0], made[1]});
  // Another producer's key: it may be the number itself.
  for (auto const* other : {"+250788123456", "", "0123456789ABCDEF0123456789ABCDEF", "shop"}) {
    CHECK(with_keys(inbound(message), other, {}).subject_keys.empty());
    CHECK_FALSE(with_keys(inbound(message), other, {}).sender.subject_key);
    CHECK(with_keys(inbound(message), other, secrets).sender.subject_key == made[0]);
  }
}
