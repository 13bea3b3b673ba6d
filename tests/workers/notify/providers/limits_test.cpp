#include "tests/workers/notify/providers/provider_peer.hpp"
#include "workers/notify/providers/guarded_provider.hpp"
#include "workers/notify/providers/providers.hpp"

#include <doctest/doctest.h>

namespace omnibus::notify {
namespace {

using Clock = SendLimits::Clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// Answers as it is told, and notes when it was asked.
struct ToldProvider final : Provider {
  explicit ToldProvider(Clock::time_point& its_now) : now(its_now) {}
  std::string_view name() const override { return "told"; }
  std::string_view channel() const override { return "sms"; }
  Capabilities capabilities() const override { return {}; }
  std::int64_t unit_price_micros() const override { return 0; }
  Task<std::optional<Refused>> await_turn(OutboundMessage const&, Pause const&) override { co_return unready; }
  Task<SendResult> send(OutboundMessage const&) override {
    asked.push_back(now);
    co_return answer;
  }
  Task<LookUp> look_up(OutboundMessage const&, std::chrono::system_clock::time_point) override { co_return LookUp{}; }

  Clock::time_point& now;
  std::optional<Refused> unready;
  SendResult answer = Accepted{"id"};
  std::vector<Clock::time_point> asked;
};

/// A guarded provider under a clock that moves only when somebody waits.
struct Guarded {
  explicit Guarded(SendLimitSettings limiting, BreakerSettings breaking = {})
      : limits(limiting),
        breaker(breaking),
        inner(new ToldProvider(now)),
        provider(std::unique_ptr<Provider>(inner), limits, breaker, [this] { return now; }) {}
  Task<> pause(Clock::duration wait) {
    now += wait;
    co_return;
  }
  SendResult send(std::string recipient = "+250788000001") {
    auto const message = a_message(std::move(recipient));
    if (auto refused = run(context, provider.await_turn(message, [this](auto wait) { return pause(wait); })))
      return std::move(*refused);
    return run(context, provider.send(message));
  }

  boost::asio::io_context context;
  Clock::time_point now{seconds(1'000'000)};
  SendLimits limits;
  CircuitBreaker breaker;
  ToldProvider* inner;
  GuardedProvider provider;
};

SendLimitSettings whatsapp_limits() {
  SendLimitSettings limits;
  limits.per_second = 80;
  limits.recipient_interval = seconds(6);
  limits.longest_wait = seconds(10);
  return limits;
}

}  // namespace

TEST_CASE("no second sees more messages than the provider allows") {
  Guarded guarded(whatsapp_limits());
  for (auto i = 0; i < 400; ++i) CHECK(told(guarded.send("+25078800" + std::to_string(1000 + i))) == "accepted");
  auto const& asked = guarded.inner->asked;
  for (std::size_t i = 80; i < asked.size(); ++i) CHECK(asked[i] - asked[i - 80] >= seconds(1));
  CHECK(asked.back() - asked.front() < seconds(5));  // nor are they kept longer than they must
}

TEST_CASE("one person gets a message every six seconds, and who would wait too long is told when to come back") {
  Guarded guarded(whatsapp_limits());
  auto const begun = guarded.now;
  CHECK(told(guarded.send()) == "accepted");
  CHECK(told(guarded.send("+250788000002")) == "accepted");
  CHECK(guarded.now - begun < seconds(1));
  CHECK(told(guarded.send()) == "accepted");
  CHECK(guarded.inner->asked.back() - begun == seconds(6));
}

TEST_CASE("a turn that is too late is refused with the time it comes, and nothing is sent") {
  auto limits = whatsapp_limits();
  limits.longest_wait = seconds(2);
  Guarded guarded(limits);
  CHECK(told(guarded.send()) == "accepted");
  auto const refused = guarded.send();
  CHECK(told(refused) == "throttled recipient_limited");
  CHECK(std::get<Refused>(refused).retry_after == seconds(6));
  CHECK(guarded.inner->asked.size() == 1);

  SendLimitSettings slow;
  slow.per_second = 0.1;
  Guarded all(slow);
  CHECK(told(all.send()) == "accepted");
  CHECK(told(all.send()) == "throttled rate_limited");
}

TEST_CASE("people are remembered only while they must wait, and never more than fit") {
  SendLimitSettings settings;
  settings.recipient_interval = seconds(6);
  settings.max_recipients = 5'000;
  SendLimits limits(settings);
  Clock::time_point now{seconds(1)};
  auto refused = 0;
  std::size_t most = 0;
  for (auto i = 0; i < 200'000; ++i) {
    now += milliseconds(2);
    refused += limits.of_recipient(std::to_string(i), now).given ? 0 : 1;
    most = std::max(most, limits.recipients());
  }
  CHECK(refused == 0);
  CHECK(most <= 5'000);
  auto given = 0;
  for (auto i = 0; i < 20'000; ++i) given += limits.of_recipient("x" + std::to_string(i), now).given ? 1 : 0;
  CHECK(given <= 5'000);
  CHECK(limits.recipients() == 5'000);
  CHECK(limits.of_recipient("y", now + seconds(7)).given);
}

TEST_CASE("a provider that keeps failing is left alone, and asked again after a while") {
  Guarded guarded({}, {3, seconds(60)});
  guarded.inner->answer = Unknown{"reset"};
  for (auto i = 0; i < 3; ++i) CHECK(told(guarded.send()) == "unknown");
  auto const refused = guarded.send();
  CHECK(told(refused) == "transient breaker_open of the provider");
  CHECK(std::get<Refused>(refused).retry_after == seconds(60));
  CHECK(guarded.inner->asked.size() == 3);
  guarded.now += seconds(60);
  guarded.inner->answer = Accepted{"id"};
  CHECK(told(guarded.send()) == "accepted");
  CHECK(told(guarded.send()) == "accepted");
}

TEST_CASE("a provider that cannot be got ready is left alone like one that fails") {
  Guarded guarded({}, {2, seconds(60)});
  guarded.inner->unready = Refused{Refused::Kind::transient, "no_token", "", {}, true};
  CHECK(told(guarded.send()) == "transient no_token of the provider");
  CHECK(told(guarded.send()) == "transient no_token of the provider");
  CHECK(told(guarded.send()) == "transient breaker_open of the provider");
  CHECK(guarded.inner->asked.empty());
}

TEST_CASE("only what says something of the provider opens its breaker") {
  auto const opens = [](SendResult answer) {
    Guarded guarded({}, {2, seconds(60)});
    guarded.inner->answer = std::move(answer);
    for (auto i = 0; i < 5; ++i) guarded.send();
    return guarded.inner->asked.size() == 2;
  };
  Refused refused{Refused::Kind::permanent, "131026", ""};
  CHECK_FALSE(opens(refused));
  for (auto const kind : {Refused::Kind::throttled, Refused::Kind::transient}) {
    refused.kind = kind;
    CHECK_FALSE(opens(refused));
  }
  refused.of_provider = true;
  CHECK(opens(refused));
  CHECK(opens(Unknown{"timeout"}));
}

TEST_CASE("the settings have the names that are known, and secrets are never printed") {
  ProviderSettings settings;
  config::Catalogue catalogue;
  catalogue.add(settings);
  catalogue.load({{"WHATSAPP_ACCESS_TOKEN", "canary1"},
                  {"WHATSAPP_PHONE_NUMBER_ID", "1055"},
                  {"MTN_SMS_API_KEY", "canary2"},
                  {"MTN_SMS_API_SECRET", "canary3"},
                  {"TWILIO_AUTH_TOKEN", "canary4"},
                  {"SMS_PROVIDER", "mtn"},
                  {"SMS_SEGMENT_PRICE_MICROS", "12000"},
                  {"SEND_DEADLINE", "5s"}});
  CHECK(settings.mtn_sms.sender_id == "EasyMO");
  CHECK(catalogue.print().find("canary") == std::string::npos);

  boost::asio::io_context context;
  ConfiguredProviders const providers(context, settings);
  REQUIRE(providers.find("shop.example", "whatsapp") != nullptr);
  REQUIRE(providers.find("shop.example", "sms") != nullptr);
  CHECK(providers.find("shop.example", "sms")->name() == "mtn_sms");
  CHECK(providers.find("shop.example", "sms")->unit_price_micros() == 12000);
  CHECK(providers.find("shop.example", "email") == nullptr);
  settings.sms.provider = SmsProvider::twilio;  // of which no account is set
  CHECK(ConfiguredProviders(context, settings).find("shop.example", "sms") == nullptr);
  settings.whatsapp.phone_number_id = "../1055";
  CHECK_THROWS_AS(ConfiguredProviders(context, settings), std::invalid_argument);
}

TEST_CASE("the event loops of a process share a sender's rate and its breaker") {
  ProviderSettings settings;
  settings.whatsapp.access_token = Secret{"token"};
  settings.whatsapp.phone_number_id = "1055";
  settings.whatsapp.rate_per_second = 1;
  auto const guards = std::make_shared<SendGuards>(settings);
  boost::asio::io_context context;
  ConfiguredProviders const first(context, settings, nullptr, guards);
  ConfiguredProviders const second(context, settings, nullptr, guards);
  std::vector<SendLimits::Clock::duration> pauses;
  auto const pause = [&](SendLimits::Clock::duration wait) -> Task<> {
    pauses.push_back(wait);
    co_return;
  };
  auto const asks = [&](ConfiguredProviders const& providers, std::string recipient) {
    return run(context, providers.find("shop.example", "whatsapp")->await_turn(a_message(std::move(recipient)), pause));
  };
  CHECK_FALSE(asks(first, "+250788000001"));
  CHECK(pauses.empty());
  CHECK_FALSE(asks(second, "+250788000002"));
  REQUIRE(pauses.size() == 1);
  CHECK(pauses.front() > milliseconds(500));
  for (auto i = 0; i < settings.send.breaker_failures; ++i)
    guards->breaker("whatsapp_cloud").acquire(SendLimits::Clock::now())->failed(SendLimits::Clock::now());
  CHECK(asks(first, "+250788000003")->code == refusal::breaker_open);
  CHECK(asks(second, "+250788000004")->code == refusal::breaker_open);
}

}  // namespace omnibus::notify
