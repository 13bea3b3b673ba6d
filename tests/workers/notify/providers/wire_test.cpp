#include "tests/workers/notify/providers/provider_peer.hpp"
#include "workers/notify/providers/provider_call.hpp"

#include <array>
#include <random>
#include <vector>

#include <doctest/doctest.h>

namespace omnibus::notify {
namespace {

http::Response answer(int status, std::string body) {
  return http::json_response(status, std::move(body));
}

std::string graph_error(int code) {
  return R"({"error":{"message":"m","type":"OAuthException","code":)" + std::to_string(code) + "}}";
}

OutboundMessage known_message() {
  auto message = a_message("+250788123456", "Hello \"you\"\n");
  message.effect_key = parse_uuid("6f6d6e69-6275-5000-8000-636f6e766572").value();
  return message;
}

}  // namespace

TEST_CASE("WhatsApp is told as the Cloud API wants it") {
  auto message = known_message();
  CHECK(whatsapp_body(message).value() ==
        R"({"messaging_product":"whatsapp","recipient_type":"individual","to":"250788123456","type":"text",)"
        R"("text":{"preview_url":false,"body":"Hello \"you\"\n"},)"
        R"("biz_opaque_callback_data":"6f6d6e69-6275-5000-8000-636f6e766572"})");
  message.recipient = "RW.13491208655302741918";
  message.content_template = Template{"call_summary", "en_US", {"Bob", "250k"}};
  CHECK(whatsapp_body(message).value() ==
        R"({"messaging_product":"whatsapp","recipient_type":"individual","recipient":"RW.13491208655302741918",)"
        R"("type":"template","template":{"name":"call_summary","language":{"code":"en_US"},"components":[)"
        R"({"type":"body","parameters":[{"type":"text","text":"Bob"},{"type":"text","text":"250k"}]}]},)"
        R"("biz_opaque_callback_data":"6f6d6e69-6275-5000-8000-636f6e766572"})");
  message.content_template->parameters = {std::string(1025, 'x')};
  CHECK_FALSE(whatsapp_body(message));
  message.content_template.reset();
  message.text.clear();
  for (auto i = 0; i < 4096; ++i) message.text += "\u00e9";  // characters are counted, not bytes
  CHECK(whatsapp_body(message));
  message.text += 'x';
  CHECK_FALSE(whatsapp_body(message));
}

TEST_CASE("WhatsApp's error codes are what they are classed as") {
  auto const told_of = [](int status, int code) {
    return told(read_whatsapp_answer(answer(status, graph_error(code))));
  };
  for (auto const code : {130429, 131056, 131048, 80007, 4}) {
    CHECK(told_of(400, code) == "throttled " + std::to_string(code));
    CHECK(told_of(500, code) == "throttled " + std::to_string(code));
  }
  for (auto const code : {131000, 131016}) {
    CHECK(told_of(400, code) == "transient " + std::to_string(code));
    CHECK(told_of(500, code) == "transient " + std::to_string(code));
  }
  for (auto const code : {131026, 131047, 131051, 132000, 132015, 131062, 131049, 100}) {
    CHECK(told_of(400, code) == "permanent " + std::to_string(code));
    CHECK(told_of(500, code) == "unknown");
  }
  for (auto const code : {0, 10, 190, 200, 299, 368, 131031, 131042, 133010}) {
    CHECK(told_of(401, code) == "transient " + std::to_string(code) + " of the provider");
  }
  CHECK(told_of(500, 1) == "unknown");
  CHECK(told_of(503, 2) == "unknown");
}

TEST_CASE("an answer that does not say it whole says nothing") {
  auto const whatsapp = [](int status, std::string body) {
    return told(read_whatsapp_answer(answer(status, std::move(body))));
  };
  auto const mtn = [](int status, std::string body) {
    return told(read_mtn_answer(answer(status, std::move(body)), {}));
  };
  auto const twilio = [](int status, std::string body) {
    return told(read_twilio_answer(answer(status, std::move(body))));
  };
  for (auto const* body : {"", "{}", "[]", "null", "{", "<html>", R"({"messages":[]})", R"({"messages":[{"id":""}]})",
                           R"({"messages":[{"id":"a b"}]})", R"({"messages":[{"id":"a"},{"id":"b"}]})",
                           R"({"statusCode":0})", R"({"statusCode":""})", R"({"sid":7})", R"({"sid":"\n"})"}) {
    CAPTURE(body);
    CHECK(whatsapp(200, body) == "unknown");
    CHECK(mtn(200, body) == "unknown");
    CHECK(twilio(201, body) == "unknown");
    CHECK(whatsapp(500, body) == "unknown");
    CHECK(mtn(502, body) == "unknown");
    CHECK(twilio(504, body) == "unknown");
  }
  CHECK(whatsapp(200, R"({"messages":[{"id":")" + std::string(257, 'x') + R"("}]})") == "unknown");
  CHECK(whatsapp(200, std::string(600 * 1024, ' ')) == "unknown");
  std::string const deep = std::string(200, '[') + std::string(200, ']');
  CHECK(whatsapp(200, R"({"messages":)" + deep + "}") == "unknown");
}

TEST_CASE("answers with bytes that were changed, cut or added are read without harm") {
  std::vector<std::string> const whole{
      R"({"messaging_product":"whatsapp","contacts":[{"input":"+2507","wa_id":"2507"}],"messages":[{"id":"wamid.A"}]})",
      graph_error(131026),
      R"({"statusCode":"0000","statusMessage":"sent","transactionId":"t1","data":{"status":"P"}})",
      R"({"sid":"SM1","status":"queued","error_code":null})",
      R"({"code":21211,"message":"m","status":400})",
      R"({"access_token":"abc","expires_in":"3599"})",
      R"({"messages":[{"sid":"SM1","body":"hello","direction":"outbound-api",)"
      R"("date_created":"Sun, 06 Nov 1994 08:49:31 +0000"}],"next_page_uri":null})"};
  std::mt19937 random(7);
  auto const below = [&](std::size_t limit) { return random() % limit; };
  auto const message = a_message();
  for (auto round = 0; round < 20'000; ++round) {
    auto body = whole[below(whole.size())];
    for (auto changes = 1 + below(4); changes > 0 && !body.empty(); --changes) {
      auto const at = below(body.size());
      switch (below(4)) {
        case 0:
          body[at] = static_cast<char>(random());
          break;
        case 1:
          body.resize(at);
          break;
        case 2:
          body.insert(at, 1 + below(8), static_cast<char>(random()));
          break;
        default:
          body.insert(at, body.substr(at, below(40)));
      }
    }
    auto const status = std::array{200, 201, 400, 401, 429, 500}[below(6)];
    auto const given = answer(status, body);
    for (auto const& result :
         {read_whatsapp_answer(given), read_mtn_answer(given, message.effect_key), read_twilio_answer(given)}) {
      auto const* const accepted = std::get_if<Accepted>(&result);
      if (accepted != nullptr) REQUIRE((status < 300 && is_message_id(accepted->provider_message_id)));
      auto const* const refused = std::get_if<Refused>(&result);
      if (refused != nullptr) REQUIRE((refused->code.size() <= 32 && refused->reason.size() < 100));
    }
    auto const token = read_token_answer(given);
    if (token) REQUIRE(token->token.find_first_of(" \r\n") == std::string::npos);
    read_twilio_list(given, message, std::chrono::system_clock::now(), std::chrono::seconds(30), true);
  }
}

TEST_CASE("MTN is told as its API wants it, and believed by its body's code") {
  auto const message = known_message();
  MtnSmsSettings settings;
  CHECK(mtn_body(message, settings).value() ==
        R"({"senderAddress":"EasyMO","receiverAddress":["250788123456"],"message":"Hello \"you\"\n",)"
        R"("clientCorrelatorId":"6f6d6e69-6275-5000-8000-636f6e766572","serviceCode":"EasyMO",)"
        R"("requestDeliveryReceipt":true})");
  settings.service_code = "13111";
  CHECK(mtn_body(message, settings)->find(R"("serviceCode":"13111")") != std::string::npos);

  auto const read = [&](int status, std::string body) {
    return read_mtn_answer(answer(status, std::move(body)), message.effect_key);
  };
  CHECK(std::get<Accepted>(read(200, R"({"statusCode":"0000","transactionId":"t1"})")).provider_message_id == "t1");
  CHECK(std::get<Accepted>(read(201, R"({"statusCode":"0000"})")).provider_message_id == to_string(message.effect_key));
  CHECK(told(read(200, R"({"statusCode":"4000"})")) == "permanent 4000");
  CHECK(told(read(200, R"({"statusCode":"4010"})")) == "transient 4010 of the provider");
  CHECK(told(read(200, R"({"statusCode":"4290"})")) == "throttled 4290");
  CHECK(told(read(200, R"({"statusCode":"5000"})")) == "unknown");
  CHECK(told(read(200, R"({"statusCode":"0001"})")) == "unknown");
  CHECK(told(read(500, R"({"statusCode":"4000"})")) == "unknown");
}

TEST_CASE("Twilio is told as its API wants it, and its codes are what they are classed as") {
  auto const message = known_message();
  TwilioSettings settings;
  settings.from = "EasyMO";
  CHECK(twilio_form(message, settings).value() == "To=%2B250788123456&From=EasyMO&Body=Hello%20%22you%22%0A");
  settings.webhook_base_url = "https://hooks.example";
  CHECK(twilio_form(message, settings)
            ->ends_with("&StatusCallback=https%3A%2F%2Fhooks.example%2Fwebhooks%2Fsms%2Freceipts%3Feffect_key%3D"
                        "6f6d6e69-6275-5000-8000-636f6e766572"));
  settings.from = "MG" + std::string(32, 'a');
  CHECK(twilio_form(message, settings)->find("&MessagingServiceSid=MGaaaa") != std::string::npos);

  auto const told_of = [](int status, std::string code) {
    return told(read_twilio_answer(answer(status, R"({"code":)" + code + R"(,"message":"m","status":400})")));
  };
  CHECK(told_of(400, "21211") == "permanent 21211");
  CHECK(told_of(400, "21610") == "permanent 21610");
  CHECK(told_of(400, "\"21610\"") == "permanent 21610");
  CHECK(told_of(400, "21606") == "transient 21606 of the provider");
  CHECK(told_of(401, "20003") == "transient 20003 of the provider");
  CHECK(told_of(429, "20429") == "throttled 20429");
  CHECK(told_of(500, "20500") == "unknown");
}

TEST_CASE("a reason holds nothing of the person, the text or the credentials") {
  auto const result = read_whatsapp_answer(answer(
      400, R"({"error":{"message":"+250788123456 said hello","code":131026,"error_data":{"details":"token"}}})"));
  CHECK(std::get<Refused>(result).reason == "HTTP 400, error 131026");
}

}  // namespace omnibus::notify
