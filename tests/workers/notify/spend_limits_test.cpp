#include "tests/workers/notify/fake_deliveries.hpp"
#include "tests/workers/notify/fake_providers.hpp"
#include "tests/workers/notify/run.hpp"
#include "workers/notify/config.hpp"
#include "workers/notify/deliverer.hpp"

#include <stdexcept>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::notify;

namespace {

constexpr auto person = "+250788123456";

SpendLimitSettings allowing(std::string prefixes) {
  SpendLimitSettings settings;
  settings.sms_allowed_prefixes = std::move(prefixes);
  return settings;
}

}  // namespace

TEST_CASE("without settings there is a cap, one country for SMS, and an end to a person's messages of a day") {
  SpendLimitSettings const settings;
  CHECK(settings.spend_cap_per_day == 100);
  CHECK(ProviderSettings{}.sms.segment_price_micros > 0);  // without a price, no cap is ever reached
  CHECK(ProviderSettings{}.whatsapp.price_micros > 0);
  CHECK(limit_of(settings, "sms", "message", person, {}) == "");
  CHECK(limit_of(settings, "sms", "message", "+882161234567", {}) == "country_not_allowed");
  CHECK(limit_of(settings, "sms", "help", "+882161234567", {}) == "country_not_allowed");
  CHECK(limit_of(settings, "whatsapp", "message", "RW.abc", {}) == "");  // no carrier earns by it
  CHECK(limit_of(settings, "sms", "message", person, {99, 0}) == "");
  CHECK(limit_of(settings, "sms", "message", person, {100, 0}) == "person_limit");
  CHECK(limit_of(settings, "whatsapp", "reply", person, {100, 0}) == "person_limit");
  CHECK(limit_of(settings, "sms", "call_summary", person, {9, 9}) == "");
  CHECK(limit_of(settings, "sms", "call_summary", person, {10, 10}) == "summary_limit");
  CHECK(limit_of(settings, "sms", "reply", person, {10, 10}) == "");
  for (auto const* const answer : {"opt_out", "opt_in", "help"})
    CHECK(limit_of(settings, "sms", answer, person, {100, 10}) == "");
}

TEST_CASE("limits can be changed and turned off, and a prefix that is none is refused by the setting's name") {
  CHECK(limit_of(allowing("+256, +250"), "sms", "message", person, {}) == "");
  CHECK(limit_of(allowing("+256"), "sms", "message", person, {}) == "country_not_allowed");
  CHECK(limit_of(allowing("*"), "sms", "message", "+882161234567", {}) == "");
  auto off = allowing("*");
  off.messages_per_person_per_day = 0;
  off.call_summaries_per_person_per_day = 0;
  CHECK(limit_of(off, "sms", "call_summary", person, {1'000, 1'000}) == "");
  CHECK_NOTHROW(check(allowing("+250,+256")));
  for (auto const* const wrong : {"", "250", "+", "+250;+256", "+0", "all", "+250,,+256"}) {
    CAPTURE(wrong);
    CHECK_THROWS_AS(check(allowing(wrong)), std::invalid_argument);
  }
}

TEST_CASE("each limit names its setting") {
  for (auto const* const reason : {"spend_cap", "country_not_allowed", "person_limit", "summary_limit"})
    CHECK_FALSE(setting_of_limit(reason).empty());
  CHECK(setting_of_limit("opted_out").empty());
}

TEST_CASE("a message beyond a limit is skipped with its reason, and no provider is asked") {
  test::Deliveries ledger;
  ledger.tenants["shop.example"] = true;
  Order order;
  order.plan.domain = "shop.example";
  order.plan.profile_id = random_uuid();
  order.plan.effect_key = random_uuid();
  order.plan.channel = "sms";
  order.plan.kind = "call_summary";
  order.text = "Agreed: 250k";
  auto& someone = ledger.people[order.plan.profile_id];
  someone.phone_number = person;
  std::string reason;
  SUBCASE("to a person who has had enough for a day") {
    ledger.sent_today.messages = 100;
    reason = "person_limit";
  }
  SUBCASE("the summaries of more calls than a person gets in a day") {
    ledger.sent_today.call_summaries = 10;
    reason = "summary_limit";
  }
  SUBCASE("to a country that is not allowed") {
    someone.phone_number = "+882161234567";  // of a satellite, at the highest price
    reason = "country_not_allowed";
  }
  test::ProviderScript script;
  test::FakeProvider provider{"sms", script};
  order.provider = &provider;
  test::FakeDeliveries store{ledger};
  Deliverer deliverer{store, NotifySettings{}};
  boost::asio::io_context loop;
  auto const outcome = run(loop, deliverer.deliver(order, 1));
  CHECK(outcome.ending.state == "skipped");
  CHECK(outcome.ending.reason == reason);
  CHECK(script.sent.empty());
}
