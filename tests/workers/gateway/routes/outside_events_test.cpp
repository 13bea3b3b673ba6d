#include "workers/gateway/routes/outside_events.hpp"

#include "tests/workers/gateway/webhooks/inbound.hpp"

#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::gateway;

namespace {

constexpr std::string_view call = "omnibus.call.terminated.v1";
constexpr std::string_view sms = "omnibus.sms.message.received.v1";
constexpr std::string_view whatsapp = "omnibus.whatsapp.message.received.v1";

constexpr std::string_view ended_call =
    R"({"domain":"shop.example","call_id":"c-1","phone_number":"+250788654321","summary":"Two mochas."})";

OutsideEvents door(std::string secret = "0123456789abcdef") {
  return {kafka::TopicCatalog::built_in(), {std::move(secret), "RW"}};
}

Refusal refusal_of_type(std::string_view type) {
  return refusal_of([&] { door().check_type(type); });
}

Refusal refusal_of_data(std::string_view type, std::string_view data) {
  return refusal_of([&] { door().check(type, data); });
}

std::string whatsapp_from(std::string_view sender) {
  return R"({"domain":"shop.example","provider_message_id":"wamid.1","recipient":"1","kind":"text","text":"Hi",)"
         R"("received_at":"2026-11-20T10:00:00Z",)" +
         std::string(sender) + "}";
}

/// What a catalogue of one topic, read from `fields`, makes of the door.
std::string start(std::string_view fields) {
  auto const topics = kafka::TopicCatalog::parse(
      "topics: [{ name: t, partitions: 1, owner: chat, pii: true, consumers: [], " + std::string(fields) + " }]");
  try {
    OutsideEvents const outside(topics, {});
    return "starts";
  } catch (std::invalid_argument const& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("tenants may publish what topics.yaml lists, and nothing else") {
  for (auto const type : {ChatMessageReceived::type, call, sms, whatsapp}) {
    CAPTURE(type);
    CHECK(refusal_of_type(type).status == 0);
  }
  for (auto const type :
       {ChatReplyGenerated::type, LlmCallCompleted::type, NotificationRequested::type, DeliveryReceiptReceived::type}) {
    CAPTURE(type);
    auto const refusal = refusal_of_type(type);
    CHECK(refusal.status == 403);
    CHECK(refusal.field == "type");
  }
  CHECK(refusal_of_type("omnibus.no.such.v1").status == 400);
  CHECK(refusal_of_type("").status == 400);
}

TEST_CASE("an ended call is keyed by its person, as the webhook keys it") {
  auto const checked = door().check(call, ended_call);
  CHECK(checked.domain == "shop.example");
  CHECK(checked.key == profile_key(inbound_rules(), "+250788654321"));
  CHECK(checked.json == ended_call);
}

TEST_CASE("a WhatsApp message is keyed by its sender's number, by the user id where there is none") {
  auto const number = whatsapp_from(R"("phone_number":"+250788654321","whatsapp_user_id":"RW.abc")");
  CHECK(door().check(whatsapp, number).key == profile_key(inbound_rules(), "+250788654321"));
  auto const id = whatsapp_from(R"("phone_number":null,"whatsapp_user_id":"RW.abc")");
  CHECK(door().check(whatsapp, id).key == profile_key(inbound_rules(), "RW.abc"));
  auto const refusal = refusal_of_data(whatsapp, whatsapp_from(R"("phone_number":null)"));
  CHECK(refusal.field == "data.phone_number");
}

TEST_CASE("data that breaks the schema is refused by its field, and what is no JSON object as a whole") {
  auto const changed = [](std::string_view from, std::string_view to) {
    std::string text(ended_call);
    return text.replace(text.find(from), from.size(), to);
  };
  struct {
    std::string data;
    std::string_view field;
  } const cases[] = {
      {changed(R"("call_id":"c-1",)", ""), "data.call_id"},
      {changed("c-1", ""), "data.call_id"},
      {changed(R"("c-1")", "7"), "data.call_id"},
      {changed("shop.example", "Shop"), "data.domain"},
      {changed("+250788654321", "0788654321"), "data.phone_number"},
      {changed("+250788654321", "+2507"), "data.phone_number"},  // E.164, and too short for a number of Rwanda
      {changed("summary", "sumary"), "data.sumary"},
      {changed(R"("summary":"Two mochas.")", R"("transcript":[{"speaker":"user","text":"Hi","at":1}])"),
       "data.transcript.0.at"},
  };
  for (auto const& each : cases) {
    CAPTURE(each.data);
    auto const refusal = refusal_of_data(call, each.data);
    CHECK(refusal.status == 422);
    CHECK(refusal.field == each.field);
    CHECK(refusal.detail.find("654321") == std::string::npos);
  }
  for (auto const* data : {"", "{", "[]", "null", "{}x", "\xff"}) {
    CAPTURE(data);
    auto const refusal = refusal_of_data(call, data);
    CHECK(refusal.status == 400);
    CHECK(refusal.field == "data");
  }
}

TEST_CASE("more than the topic takes is refused before it is read") {
  auto const refusal = refusal_of_data(call, std::string(1'048'577, ' '));
  CHECK(refusal.status == 413);
}

TEST_CASE("without the secret, what is keyed by a person is not taken") {
  CHECK(refusal_of([] { door("").check(call, ended_call); }).status == 503);
}

TEST_CASE("a topics file that lists what cannot be checked or keyed stops the gateway, which names the event") {
  CHECK(start("key: profile_id, events: [omnibus.notification.requested.v1], "
              "from_outside: [omnibus.notification.requested.v1]") == "starts");
  CHECK(start("key: message_hash, events: [omnibus.delivery.receipt.received.v1], "
              "from_outside: [omnibus.delivery.receipt.received.v1]") ==
        "topics.yaml has omnibus.delivery.receipt.received.v1 in from_outside, but it has no domain, so its tenant is "
        "not known");
  CHECK(start("key: profile_key, events: [omnibus.llm.call.failed.v1], from_outside: [omnibus.llm.call.failed.v1]") ==
        "topics.yaml has omnibus.llm.call.failed.v1 in from_outside, but it has no phone_number, from which a "
        "profile_key is made");
  CHECK(start("key: session_id, events: [omnibus.notification.requested.v1], "
              "from_outside: [omnibus.notification.requested.v1]")  // a member that may be absent
            .ends_with("has no member that is the key of topic t"));
  CHECK(start("events: [omnibus.call.terminated.v1], from_outside: [omnibus.call.terminated.v1]")
            .ends_with("has no member that is the key of topic t"));
  CHECK(start("key: id, events: [triage.ticket.opened.v1], from_outside: [triage.ticket.opened.v1]") ==
        "topics.yaml has triage.ticket.opened.v1 in from_outside, but common/events/all_events.hpp does not know it");
}

TEST_CASE("an event keyed by a member has that member for its key") {
  auto const topics = kafka::TopicCatalog::parse(
      "topics: [{ name: t, key: profile_id, partitions: 1, owner: chat, pii: true, consumers: [], "
      "events: [omnibus.notification.skipped.v1], from_outside: [omnibus.notification.skipped.v1] }]");
  OutsideEvents const outside(topics, {});
  auto const checked = outside.check(
      NotificationSkipped::type,
      R"({"domain":"shop.example","request_id":"r","profile_id":"2ED6657D-e927-568b-95e1-2665a8aea6a2","channel":"sms","reason":"expired"})");
  CHECK(checked.key == "2ed6657d-e927-568b-95e1-2665a8aea6a2");
}
