/// Whatever text stands wherever a person or a provider can put one: its message is taken, and its event is valid.
#include "events/call.hpp"
#include "events/inbound.hpp"
#include "http/form.hpp"
#include "json/decode.hpp"
#include "tests/workers/gateway/webhooks/inbound.hpp"
#include "workers/gateway/webhooks/calls_webhook.hpp"
#include "workers/gateway/webhooks/sms_webhook.hpp"
#include "workers/gateway/webhooks/twilio_webhook.hpp"
#include "workers/gateway/webhooks/whatsapp_webhook.hpp"

#include <array>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::gateway;
using namespace std::string_literals;

namespace {

/// A piece of text: within a JSON string, in a form, and as it arrives.
struct Piece {
  std::string json;
  std::string form;
  std::string text;
};

Piece const pieces[] = {
    {"a", "a", "a"},
    {" Order 17 ", "+Order+17+", " Order 17 "},
    {"é", "%C3%A9", "é"},
    {"\\u00e9", "%C3%A9", "é"},
    {"😀", "%F0%9F%98%80", "😀"},
    {"\\ud83d\\ude00", "%F0%9F%98%80", "😀"},
    {"\\\"", "%22", "\""},
    {"\\\\", "%5C", "\\"},
    {"\\n", "%0A", "\n"},
    {"\n", "%0A", "\n"},  // not escaped
    {"\x01", "%01", "\x01"},
    {"{", "%7B", "{"},
    {"%", "%25", "%"},
    {"\\u0000", "%00", ""},
    {"\0"s, "%00", ""},
    {"\\ud83d;", "%ED%A0%BD;", "\xEF\xBF\xBD;"},  // half an emoji
    {"\\ude00;", "%ED%B8%80;", "\xEF\xBF\xBD;"},
    {"\xED\xA0\xBD;", "%ED%A0%BD;", "\xEF\xBF\xBD;"},
    {"\xF0\x9F\x98;", "%F0%9F%98;", "\xEF\xBF\xBD;"},
    {"\xFF;", "%FF;", "\xEF\xBF\xBD;"},
};

constexpr std::size_t very_long = 30'000;

Piece any_text(std::mt19937& random, std::size_t longest = very_long) {
  Piece whole{"x", "x", "x"};  // no text of white space
  for (auto left = random() % 12; left > 0; --left) {
    auto const& piece = pieces[random() % std::size(pieces)];
    whole.json += piece.json;
    whole.form += piece.form;
    whole.text += piece.text;
  }
  if (random() % 50 == 0) {
    std::string const more(random() % longest, 'y');
    whole.json += more;
    whole.form += more;
    whole.text += more;
  }
  return whole;
}

template <class Event>
Event event_of(InboundEvent const& inbound) {
  CHECK(inbound.type == Event::type);
  auto event = json::decode<Event>(inbound.data);
  REQUIRE(event.has_value());
  CHECK_FALSE(validate(*event));
  return *std::move(event);
}

WhatsappBatch read_messages(std::string const& messages) {
  auto const body = R"({"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages",
      "value":{"metadata":{"phone_number_id":"1"},"messages":[)" +
                    messages + "]}}]}]}";
  CHECK(first_phone_number_id(body) == "1");  // by which the app's secret is found
  return read_whatsapp(inbound_rules(), "", body);
}

/// A message with the text in a place of it, which is `@`.
std::string message_of(std::string_view content, std::string const& text, std::string const& id) {
  std::string message(content);
  for (auto at = message.find('@'); at != std::string::npos; at = message.find('@', at + text.size()))
    message.replace(at, 1, text);
  return R"({"from":"250788123456","id":")" + id + "\"," + message + "}";
}

constexpr auto rounds = 300;
constexpr std::array contents{
    R"("type":"text","text":{"body":"@"})",
    R"("type":"button","button":{"payload":"@","text":"@"})",
    R"("type":"interactive","interactive":{"type":"button_reply","button_reply":{"id":"@","title":"@"}})",
    R"("type":"interactive","interactive":{"type":"list_reply","list_reply":{"title":"@","description":"@"}})",
    R"("type":"image","image":{"caption":"@","sha256":"@"})",
    R"("type":"document","document":{"filename":"@"})",
    R"("type":"contacts","contacts":[{"name":{"formatted_name":"@"},"phones":[{"phone":"1"}]}])",
    R"("type":"location","location":{"name":"@","latitude":1,"longitude":2})",
    R"("type":"order","order":{"text":"@","product_items":[{"quantity":1}]})",
    R"("type":"reaction","reaction":{"emoji":"@"})",
    R"("type":"hologram","hologram":{"text":"@"})",
    R"("type":"text","text":{"body":"@"},"referral":{"@":"@"},"context":{"from":"@"},"timestamp":"@")",
};

}  // namespace

TEST_CASE("any text of an SMS arrives, whatever else in it is odd") {
  std::mt19937 random{1};
  for (int round = 0; round < rounds; ++round) {
    auto const said = any_text(random);
    auto const other = any_text(random, 100);
    auto const body = R"({"from":"+250788123456","to":"8080)" + other.json + R"(","id":")" + other.json +
                      R"(","message":")" + said.json + R"(","more":{"x":[")" + other.json + "\"]}}";
    CAPTURE(body);
    CHECK(addressee_of_sms(body) == "8080" + other.text);  // by which the tenant is found
    auto const inbound = read_sms(inbound_rules(), body);
    REQUIRE(inbound);
    CHECK(event_of<SmsMessageReceived>(*inbound).text == cut(said.text, most_text));
    auto const by_form = read_twilio_sms(
        inbound_rules(), read_form("From=%2B250788123456&MessageSid=SM1&To=8080" + other.form + "&Body=" + said.form));
    REQUIRE(by_form);
    CHECK(event_of<SmsMessageReceived>(*by_form).text == cut(said.text, most_text));
  }
}

TEST_CASE("any name of a sender is kept") {
  std::mt19937 random{2};
  for (int round = 0; round < rounds; ++round) {
    auto const name = any_text(random);
    auto const inbound = read_sms(inbound_rules(), R"({"to":"1","message":"m","from":")" + name.json + "\"}");
    REQUIRE(inbound);
    CHECK(event_of<SmsMessageReceived>(*inbound).sender == cut(name.text, most_name));
  }
}

TEST_CASE("any text of a call arrives") {
  std::mt19937 random{3};
  for (int round = 0; round < rounds; ++round) {
    auto const said = any_text(random);
    auto const inbound =
        read_call(inbound_rules(), R"({"call_id":"c","phone_number":"+250788123456","summary":")" + said.json +
                                       R"(","transcript":[{"speaker":")" + said.json + R"(","text":")" + said.json +
                                       R"("},{"speaker":"","text":"t"}]})");
    auto const call = event_of<CallTerminated>(inbound);
    CHECK(call.summary == cut(said.text, most_text));
    REQUIRE(call.transcript);
    CHECK(call.transcript->at(0).text == cut(said.text, most_text));
    CHECK(call.transcript->at(0).speaker == cut(said.text, most_name));
    CHECK(call.transcript->at(1).speaker == "unknown");
  }
}

TEST_CASE("any text in any kind of WhatsApp message arrives, and costs no other message") {
  std::mt19937 random{4};
  for (int round = 0; round < rounds; ++round) {
    std::vector<Piece> said;
    std::string messages;
    for (auto const* content : contents) {
      said.push_back(any_text(random));
      if (!messages.empty()) messages += ',';
      messages += message_of(content, said.back().json, "wamid." + std::to_string(said.size()));
    }
    CAPTURE(messages);
    auto const batch = read_messages(messages);
    CHECK(batch.passed_over == 0);
    REQUIRE(batch.events.size() == said.size());
    for (std::size_t i = 0; i < said.size(); ++i) {
      CAPTURE(contents[i]);
      auto const event = event_of<WhatsappMessageReceived>(batch.events[i]);
      CHECK(event.provider_message_id == "wamid." + std::to_string(i + 1));
      auto const complete = event.text.find(said[i].text) != std::string::npos;
      auto const as_much_as_fits = cut(event.text, most_text - 1) != event.text;
      CHECK((complete || as_much_as_fits));
    }
  }
}

TEST_CASE("any answer of a form arrives") {
  std::mt19937 random{5};
  for (int round = 0; round < rounds; ++round) {
    auto const said = any_text(random);
    std::string response;  // a JSON document, in a JSON string
    for (auto const c : R"({"flow_token":"t","q":")" + said.json + "\"}") {
      if (c == '"' || c == '\\') response += '\\';
      response += c;
    }
    auto const batch = read_messages(message_of(
        R"("type":"interactive","interactive":{"type":"nfm_reply","nfm_reply":{"body":"Sent","response_json":"@"}})",
        response, "w"));
    REQUIRE(batch.events.size() == 1);
    CHECK(event_of<WhatsappMessageReceived>(batch.events[0]).text == cut("q: " + said.text, most_text));
  }
}

TEST_CASE("a member of any type, where it is not needed, costs no message") {
  std::mt19937 random{6};
  constexpr std::array values{"null", "7", "1.5e3", "true", "[]", "{}", "[{}]", R"("x")", R"({"a":{"b":[1]}})"};
  constexpr std::array names{"timestamp", "context", "from_user_id", "referral", "errors", "image",
                             "button",    "order",   "contacts",     "reaction", "x",      "interactive"};
  for (int round = 0; round < rounds; ++round) {
    auto message = R"("type":"text","text":{"body":"Hello","more":)"s + values[random() % values.size()] + "}";
    for (auto const* name : names)
      if (random() % 3 == 0) message.append(",\"").append(name).append("\":").append(values[random() % values.size()]);
    CAPTURE(message);
    auto const batch = read_messages(message_of(message, "", "w"));
    REQUIRE(batch.events.size() == 1);
    CHECK(event_of<WhatsappMessageReceived>(batch.events[0]).text == "Hello");
  }
}
