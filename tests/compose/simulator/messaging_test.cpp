#include "compose/simulator/messaging.hpp"

#include "http/server.hpp"

#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>
#include <doctest/doctest.h>

namespace omnibus::simulator {
namespace {

/// The providers, a gateway that notes what it is told, and a client, on one event loop.
struct Fixture {
  explicit Fixture(MessagingSettings settings = {}, int refuse_first = 0) : refusals(refuse_first) {
    http::Router hooks;
    auto const take = [this](http::Request const& request) -> Task<http::Response> {
      if (refusals-- > 0) co_return http::Response{503, {}, {}};
      hooked.push_back(request);
      co_return http::Response{200, {}, {}};
    };
    hooks.post("/webhooks/whatsapp", take);
    hooks.post("/webhooks/sms/receipts", take);
    gateway.emplace(context.get_executor(), http::ServerSettings{}, std::move(hooks));
    gateway->start();
    settings.latency = std::chrono::milliseconds(0);
    settings.receipts.delay = std::chrono::milliseconds(1);
    settings.receipts.webhooks = "http://127.0.0.1:" + std::to_string(gateway->port());
    settings.receipts.whatsapp_secret = "app secret";
    settings.receipts.sms_secret = "sms secret";
    messaging.emplace(context, settings);
    http::Router router;
    messaging->add_routes(router);
    server.emplace(context.get_executor(), http::ServerSettings{}, std::move(router));
    server->start();
  }

  http::Response fetch(std::string method, std::string const& path, std::string body = {},
                       std::string authorization = {}) {
    http::ClientRequest request;
    request.method = std::move(method);
    request.url = http::parse_url("http://127.0.0.1:" + std::to_string(server->port()) + path).value();
    if (!authorization.empty()) request.headers.add("Authorization", std::move(authorization));
    request.body = std::move(body);
    http::Response response;
    auto ended = false;
    boost::asio::co_spawn(context, client.fetch(request), [&](std::exception_ptr error, http::Response answer) {
      ended = true;
      if (error) std::rethrow_exception(error);
      response = std::move(answer);
    });
    while (!ended) context.run_one();
    return response;
  }
  void send_whatsapp(std::string const& to, std::string const& key) {
    auto const body = R"({"messaging_product":"whatsapp","to":")" + to +
                      R"(","type":"text","text":{"body":"hi"},"biz_opaque_callback_data":")" + key + "\"}";
    CHECK(fetch("POST", "/v23.0/1055/messages", body, "Bearer t").status == 200);
  }
  void await_hooks(std::size_t count) {
    while (hooked.size() < count) context.run_one();
  }
  std::vector<std::string> statuses() const {
    std::vector<std::string> found;
    for (auto const& each : hooked) {
      auto const document = boost::json::parse(each.body);
      auto const& status = document.at("entry").at(0).at("changes").at(0).at("value").at("statuses").at(0);
      found.emplace_back(status.at("status").as_string().c_str());
    }
    return found;
  }

  boost::asio::io_context context;
  int refusals;
  std::vector<http::Request> hooked;
  std::optional<http::Server> gateway;
  std::optional<Messaging> messaging;
  std::optional<http::Server> server;
  http::Client client{context};
};

}  // namespace

TEST_CASE("WhatsApp tells what became of a message, signed, with the key it was sent under") {
  Fixture fixture;
  fixture.send_whatsapp("250788000001", "key-1");
  fixture.await_hooks(3);
  for (auto const& hook : fixture.hooked) {
    CHECK(hook.headers.find("X-Hub-Signature-256") == "sha256=" + sign("app secret", hook.body));
    CHECK(hook.body.find(R"("biz_opaque_callback_data":"key-1")") != std::string::npos);
  }
  auto statuses = fixture.statuses();
  std::sort(statuses.begin(), statuses.end());
  CHECK(statuses == std::vector<std::string>{"delivered", "read", "sent"});
}

TEST_CASE("a message that cannot be delivered fails after it was taken") {
  MessagingSettings settings;
  settings.receipts.undeliverable = "*9";
  Fixture fixture(settings);
  fixture.send_whatsapp("250788000009", "key-1");
  fixture.await_hooks(2);
  auto const statuses = fixture.statuses();
  CHECK(std::find(statuses.begin(), statuses.end(), "failed") != statuses.end());
}

TEST_CASE("MTN's receipts are signed, repeated until they are taken, and sent twice on demand") {
  MessagingSettings settings;
  settings.receipts.twice = 1;
  Fixture fixture(settings, 3);
  auto const granted = fixture.fetch("POST", "/v1/oauth/access_token/accesstoken?grant_type=client_credentials",
                                     "client_id=a&client_secret=b");
  auto const token = std::string(boost::json::parse(granted.body).at("access_token").as_string().c_str());
  auto const body =
      R"({"senderAddress":"EasyMO","receiverAddress":["250788000001"],"message":"hi","clientCorrelatorId":"key-1",)"
      R"("serviceCode":"EasyMO"})";
  CHECK(fixture.fetch("POST", "/v3/sms/messages/sms/outbound", body, "Bearer other").status == 401);
  CHECK(fixture.fetch("POST", "/v3/sms/messages/sms/outbound", body, "Bearer " + token).status == 200);
  fixture.await_hooks(2);
  for (auto const& hook : fixture.hooked) {
    CHECK(hook.headers.find("X-Signature") == sign("sms secret", hook.body));
    auto const receipt = boost::json::parse(hook.body);
    CHECK(receipt.at("clientCorrelatorId") == "key-1");
    CHECK(receipt.at("deliveryStatus") == "DELIVERED");
  }
}

TEST_CASE("Twilio calls back what it was told to call, signed, and nobody but the gateway") {
  Fixture fixture;
  auto const gateway = "http://127.0.0.1:" + std::to_string(fixture.gateway->port());
  auto const send = [&](std::string const& callback) {
    auto const form = "To=%2B250788000001&From=%2B15550001111&Body=hi&StatusCallback=" + callback;
    CHECK(fixture.fetch("POST", "/2010-04-01/Accounts/AC1/Messages.json", form, "Basic YTpi").status == 201);
  };
  send("http://127.0.0.1:1/webhooks/sms/receipts");
  send(gateway + "/webhooks/sms/receipts?effect_key=k1");
  fixture.await_hooks(2);
  for (auto const& hook : fixture.hooked) {
    CHECK(hook.query_value("effect_key") == "k1");
    CHECK(hook.body.find("MessageStatus=") != std::string::npos);
    CHECK(hook.headers.find("X-Twilio-Signature")->size() == 28);
  }
}

TEST_CASE("receipts are shuffled when they are spread") {
  MessagingSettings settings;
  settings.receipts.spread = std::chrono::milliseconds(40);
  Fixture fixture(settings);
  for (auto i = 0; i < 20; ++i) fixture.send_whatsapp("25078800000" + std::to_string(i), "key");
  fixture.await_hooks(60);
  auto const statuses = fixture.statuses();
  // "read" of some message comes before "sent" of the first ones.
  auto const first_read = std::find(statuses.begin(), statuses.end(), "read");
  CHECK(std::find(first_read, statuses.end(), "sent") != statuses.end());
}

TEST_CASE("what was taken is counted by key and by recipient, and can be forgotten") {
  Fixture fixture;
  fixture.send_whatsapp("250788000001", "key-1");
  fixture.send_whatsapp("250788000001", "key-1");
  fixture.send_whatsapp("250788000001", "key-2");
  auto const stats = [&] {
    auto const answer = fixture.fetch("GET", "/_simulator/sends?keys=1&key=key-1&recipient=%2B250788000001");
    return boost::json::parse(answer.body).as_object();
  };
  auto counts = stats();
  CHECK(counts["acceptances"] == 3);
  CHECK(counts["duplicates"] == 1);
  CHECK(counts["keys"] == boost::json::object{{"key-1", 2}, {"key-2", 1}});
  CHECK(counts["key"] == boost::json::object{{"accepted", 2}});
  CHECK(counts["recipient"] == boost::json::object{{"accepted", 3}});
  CHECK(fixture.fetch("POST", "/_simulator/people", R"({"honour_key":true,"latency_ms":0})").status == 204);
  fixture.send_whatsapp("250788000001", "key-1");
  CHECK(stats()["recognised"] == 1);
  CHECK(fixture.fetch("DELETE", "/_simulator/sends").status == 204);
  CHECK(stats()["acceptances"] == 0);
}

TEST_CASE("people and faults that cannot be are refused") {
  Fixture fixture;
  for (auto const* body : {"", "[]", R"({"no_whatsapp":"some"})", R"({"no_whatsapp":"1.5"})", R"({"honour_key":1})",
                           R"({"latency_ms":-1})", R"({"nobody":"0.1"})"}) {
    CAPTURE(body);
    CHECK(fixture.fetch("POST", "/_simulator/people", body).status == 422);
  }
  CHECK(fixture.fetch("POST", "/_simulator/send-faults", R"({"rules":[{"kind":"drip"}]})").status == 422);
  CHECK(fixture.fetch("POST", "/_simulator/send-faults", R"({"rules":[{"kind":"accept_hang","provider":"mtn"}]})")
            .status == 200);
}

TEST_CASE("a share of people is the same people every time") {
  PeopleRule const rule("0.25");
  auto count = 0;
  for (auto i = 0; i < 10'000; ++i) {
    auto const number = "+2507880" + std::to_string(i);
    auto const holds = rule.holds_for(number, "no_whatsapp");
    count += holds ? 1 : 0;
    CHECK(holds == rule.holds_for(number, "no_whatsapp"));
  }
  CHECK(count > 2'300);
  CHECK(count < 2'700);
}

}  // namespace omnibus::simulator
