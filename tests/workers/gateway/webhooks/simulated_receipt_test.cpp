#include "compose/simulator/message_wire.hpp"
#include "tests/workers/gateway/webhooks/inbound.hpp"
#include "workers/gateway/webhooks/sms_webhook.hpp"
#include "workers/gateway/webhooks/twilio_webhook.hpp"
#include "workers/gateway/webhooks/webhook_settings.hpp"
#include "workers/gateway/webhooks/whatsapp_webhook.hpp"

#include <doctest/doctest.h>

namespace omnibus::gateway {
namespace {

constexpr auto key = "6f6d6e69-6275-5000-8000-636f6e766572";

simulator::Acceptance taken(std::string provider, std::string id) {
  simulator::Acceptance acceptance;
  acceptance.order.provider = std::move(provider);
  acceptance.order.key = key;
  acceptance.order.recipient = "+250788000001";
  acceptance.order.sender = "1055";
  acceptance.id = std::move(id);
  return acceptance;
}

bool says(InboundEvent const& event, std::string const& name, std::string const& value) {
  return event.data.find("\"" + name + "\":\"" + value + "\"") != std::string::npos;
}

}  // namespace

TEST_CASE("the simulated WhatsApp's receipts are taken, under the key the message was sent with") {
  WhatsappWebhookSettings settings;
  settings.app_secret = Secret("app secret");
  for (std::string const status : {"sent", "delivered", "read", "failed"}) {
    CAPTURE(status);
    auto const body = simulator::whatsapp_status(taken("whatsapp", "wamid.SIM1"), "1055", status);
    http::Headers const headers{{"X-Hub-Signature-256", "sha256=" + simulator::sign("app secret", body)}};
    CHECK_FALSE(signature_fault(settings.rule(), headers, body, inbound_rules().now_ms));
    auto const batch = read_whatsapp(inbound_rules(), "1055", body);
    REQUIRE(batch.events.size() == 1);
    CHECK(says(batch.events.front(), "provider", "whatsapp_cloud"));
    CHECK(says(batch.events.front(), "status", status));
    CHECK(says(batch.events.front(), "effect_key", key));
    CHECK(says(batch.events.front(), "provider_message_id", "wamid.SIM1"));
  }
}

TEST_CASE("the simulated MTN's receipts are taken, under the key the message was sent with") {
  SignedWebhookSettings settings;
  settings.secret = Secret("sms secret");
  for (auto const& [theirs, ours] : {std::pair{"DELIVERED", "delivered"}, std::pair{"UNDELIVERED", "failed"}}) {
    auto const body = simulator::mtn_receipt(taken("mtn", "sim-1"), theirs);
    http::Headers const headers{{"X-Signature", simulator::sign("sms secret", body)}};
    CHECK_FALSE(signature_fault(settings.rule(), headers, body, inbound_rules().now_ms));
    auto const event = read_sms_receipt(inbound_rules(), body);
    REQUIRE(event);
    CHECK(says(*event, "provider", "mtn_sms"));
    CHECK(says(*event, "status", ours));
    CHECK(says(*event, "effect_key", key));
  }
}

TEST_CASE("the simulated Twilio's callbacks are taken, under the key in the address they were told") {
  auto acceptance = taken("twilio", "SM1");
  acceptance.order.callback = std::string("https://hooks.example/webhooks/sms/receipts?effect_key=") + key;
  auto const callback = simulator::twilio_callback(acceptance, "undelivered", "auth token");
  http::Headers const headers{{"X-Twilio-Signature", callback.signature}};
  auto const form = read_form(callback.body);
  CHECK_FALSE(twilio_signature_fault("auth token", acceptance.order.callback, headers, form));
  CHECK(twilio_signature_fault("other token", acceptance.order.callback, headers, form) == "wrong");
  auto const event = read_twilio_receipt(inbound_rules(), form, key);
  REQUIRE(event);
  CHECK(says(*event, "provider", "twilio_sms"));
  CHECK(says(*event, "status", "failed"));
  CHECK(says(*event, "effect_key", key));
  CHECK(says(*event, "provider_message_id", "SM1"));
}

}  // namespace omnibus::gateway
