#include "http/server.hpp"
#include "tests/workers/notify/providers/provider_peer.hpp"
#include "workers/notify/providers/providers.hpp"

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>

#include <doctest/doctest.h>
#include <unistd.h>

namespace omnibus::notify {
namespace {

senders::Sender twilio_sender(std::string domain, std::string account, std::string number, std::string secret) {
  return {random_uuid(),
          std::move(domain),
          "sms",
          "twilio_sms",
          std::move(account),
          std::move(number),
          {"auth_token=" + std::move(secret)}};
}

/// A Twilio that knows all accounts but ACBAD, and the providers of the settings and of tenants.
struct Desk {
  Desk() {
    std::filesystem::create_directories(folder);
    http::Router router;
    router.post("/2010-04-01/Accounts/{sid}/Messages.json",
                [this](http::Request const& request) -> Task<http::Response> {
                  posted.push_back(request.target + " " + request.body);
                  if (request.target.find("/ACBAD/") != std::string::npos)
                    co_return http::json_response(401, R"({"code":20003,"message":"Authenticate","status":401})");
                  co_return http::json_response(201, R"({"sid":"SM1"})");
                });
    server.emplace(context.get_executor(), http::ServerSettings{}, std::move(router));
    server->start();
    settings.twilio.base_url = "http://127.0.0.1:" + std::to_string(server->port());
    settings.twilio.account_sid = "AC1";
    settings.twilio.auth_token = Secret("secret");
    settings.twilio.from = "+15550001111";
    settings.sms.provider = SmsProvider::twilio;
    settings.sms.recipient_interval = {};
    settings.sender_secrets = folder.string();
    settings.send.breaker_failures = 3;
    providers = std::make_unique<ConfiguredProviders>(context, settings);
  }
  ~Desk() { std::filesystem::remove_all(folder); }

  void put_secret(std::string const& name, std::string const& text) const { std::ofstream{folder / name} << text; }
  void use(std::vector<senders::Sender> all) {
    providers->use(std::make_shared<senders::SenderList const>(std::move(all)));
  }
  SendResult send(std::string_view domain) {
    auto* const provider = providers->find(domain, "sms");
    REQUIRE(provider != nullptr);
    auto const message = a_message();
    if (auto refused = run(context, provider->await_turn(message, &wait_in_place))) return std::move(*refused);
    return run(context, provider->send(message));
  }

  std::filesystem::path const folder{std::filesystem::temp_directory_path() /
                                     ("omnibus-senders-" + std::to_string(::getpid()))};
  boost::asio::io_context context;
  std::optional<http::Server> server;
  std::vector<std::string> posted;  ///< paths and forms
  ProviderSettings settings;
  std::unique_ptr<ConfiguredProviders> providers;
};

}  // namespace

TEST_CASE("a tenant's messages go out from its own sender, and others' from that of the settings") {
  Desk desk;
  desk.put_secret("shop-token", "secret\n");
  auto const own = twilio_sender("shop.example", "AC2", "+15550002222", "shop-token");
  desk.use({own});
  auto const* const shop = desk.providers->find("shop.example", "sms");
  auto const* const other = desk.providers->find("other.example", "sms");
  REQUIRE(shop != nullptr);
  REQUIRE(other != nullptr);
  CHECK(shop != other);
  CHECK(shop->sender_id() == own.id);
  CHECK_FALSE(other->sender_id());
  CHECK(told(desk.send("shop.example")) == "accepted");
  CHECK(told(desk.send("other.example")) == "accepted");
  REQUIRE(desk.posted.size() == 2);
  CHECK(desk.posted[0].find("/AC2/Messages.json To=%2B250788000001&From=%2B15550002222") != std::string::npos);
  CHECK(desk.posted[1].find("/AC1/Messages.json To=%2B250788000001&From=%2B15550001111") != std::string::npos);
  desk.use({});
  CHECK(desk.providers->find("shop.example", "sms") == other);  // once the sender is removed
}

TEST_CASE("a sender whose secret is missing keeps its tenant's messages, and sends them once it is there") {
  Desk desk;
  desk.use({twilio_sender("shop.example", "AC2", "+15550002222", "shop-token")});
  auto const refused = desk.send("shop.example");
  CHECK(told(refused) == "transient unusable_sender of the provider");
  CHECK(std::get<Refused>(refused).reason.find("shop-token") != std::string::npos);
  desk.put_secret("shop-token", "secret");
  desk.use({twilio_sender("shop.example", "AC2", "+15550002222", "shop-token")});
  CHECK(told(desk.send("shop.example")) == "accepted");
}

TEST_CASE("one tenant's wrong credentials shut its own sender, and nobody else's") {
  Desk desk;
  desk.put_secret("good", "secret");
  auto broken = twilio_sender("shop.example", "ACBAD", "+15550002222", "good");
  auto sound = twilio_sender("other.example", "AC3", "+15550003333", "good");
  auto mistaken = twilio_sender("third.example", "no SID", "+15550004444", "good");
  desk.use({broken, sound, mistaken});
  std::string last;
  for (auto i = 0; i < 4; ++i) last = told(desk.send("shop.example"));
  CHECK(last == "transient breaker_open of the provider");
  CHECK(told(desk.send("other.example")) == "accepted");
  CHECK(told(desk.send("fourth.example")) == "accepted");  // by the settings
  CHECK(told(desk.send("third.example")) == "transient unusable_sender of the provider");
}

}  // namespace omnibus::notify
