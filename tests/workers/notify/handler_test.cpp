// The notify worker's handler without engine, broker, database and providers.
#include "workers/notify/handler.hpp"

#include "handler/classify.hpp"
#include "handler/fake_context.hpp"
#include "tests/workers/notify/fake_deliveries.hpp"
#include "tests/workers/notify/fake_providers.hpp"
#include "time/time.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::notify;
using namespace omnibus::notify::test;
using Kind = FakeContext::Kind;
using Types = std::vector<std::string>;
using std::chrono::seconds;

namespace {

std::string const sent{NotificationSent::type};
std::string const failed{NotificationFailed::type};
std::string const in_doubt{NotificationInDoubt::type};
std::string const delivered{NotificationDelivered::type};

/// A person who wrote a minute ago, a provider for each channel, and a worker.
struct Notify {
  explicit Notify(NotifySettings const& chosen = {}) : settings{chosen} {
    context.set_time_ms(wall_clock_ms());
    context.keep_consistent(ledger);
    ledger.tenants["shop.example"] = true;
    auto& person = ledger.people[request.profile_id];
    person.phone_number = "+250788123456";
    person.last_whatsapp_inbound_ms = wall_clock_ms() - 60'000;
    start("a");
  }

  /// The worker's process dies, or loses the partition; another one goes on.
  void start(std::string claimant) {
    handler.emplace(settings, std::make_unique<FakeDeliveries>(ledger, std::move(claimant)),
                    std::make_unique<FakeProviders>(providers));
  }
  auto hand() { return context.hand(*handler, request); }
  auto hand_sms() {
    request.channels = {"sms"};
    return hand();
  }
  auto hand_receipt(std::string status, std::optional<std::string> id = "sms1") {
    DeliveryReceiptReceived receipt{"mtn_sms", std::move(status), "2026-11-20T12:00:00Z", std::move(id), {}, {}};
    if (receipt.status == "failed") receipt.error_code = "unreachable";
    return context.hand(*handler, receipt);
  }

  Types types() const { return context.published_types(); }
  ProviderScript& sms() { return providers.at("sms"); }
  ProviderScript& whatsapp() { return providers.at("whatsapp"); }
  std::size_t sends() { return sms().sent.size() + whatsapp().sent.size(); }
  Person& person() { return ledger.people.at(request.profile_id); }
  Uuid key(std::string_view channel) { return effect_key(context.event_key(), channel); }
  std::string state(std::string_view channel = "sms") {
    auto const& row = ledger.rows.at(key(channel));
    return row.state + " " + std::to_string(row.attempt);
  }

  NotifySettings settings;
  NotificationRequested request{
      "shop.example", random_uuid(), "message", {"whatsapp", "sms"}, "Your *order* is ready.", {}, {}};
  FakeContext context{"notify"};
  Deliveries ledger;
  std::map<std::string, ProviderScript, std::less<>> providers{{"sms", {}}, {"whatsapp", {}}};
  std::optional<NotifyHandler> handler;
};

Refused no_for_now(Refused::Kind kind = Refused::Kind::transient) {
  return {kind, "code", "no", seconds{7}};
}

}  // namespace

TEST_CASE("a request is sent over each of its channels, and each is told of") {
  Notify notify;
  CHECK(notify.hand() == Kind::handled);
  REQUIRE(notify.whatsapp().sent.size() == 1);
  REQUIRE(notify.sms().sent.size() == 1);
  CHECK(notify.whatsapp().sent[0].recipient == "+250788123456");
  CHECK(notify.sms().sent[0].text == "Your order is ready.");
  CHECK(notify.sms().sent[0].effect_key == notify.key("sms"));
  CHECK(notify.state("sms") == "accepted 1");
  CHECK(notify.state("whatsapp") == "accepted 1");
  CHECK(notify.types() == Types{sent, sent});
  auto const told = notify.context.published<NotificationSent>();
  CHECK(told[0].channel == "whatsapp");
  CHECK(told[0].provider_message_id == "whatsapp1");
  CHECK(told[1].channel == "sms");
  CHECK(told[1].segments == 1);
  CHECK(told[1].request_id == notify.context.event().id);
  CHECK(notify.context.last_published_key() == to_string(notify.request.profile_id));
}

TEST_CASE("a request that comes a second time sends nothing and publishes nothing") {
  Notify notify;
  REQUIRE(notify.hand() == Kind::handled);
  CHECK(notify.context.come_again() == Kind::handled);
  notify.start("b");
  CHECK(notify.context.come_again() == Kind::handled);
  CHECK(notify.sends() == 2);
  CHECK(notify.types() == Types{sent, sent});
}

TEST_CASE("a message that is refused for a while is sent at a later attempt") {
  Notify notify;
  notify.sms().answer = no_for_now();
  auto const waiting = notify.hand();
  CHECK(waiting == Kind::waits);
  CHECK(waiting.retry_after == seconds{7});
  CHECK(notify.state("sms") == "planned 2");
  CHECK(notify.state("whatsapp") == "accepted 1");  // which does not wait for the other
  CHECK(notify.types() == Types{sent});
  notify.sms().answer.reset();
  CHECK(notify.context.try_again() == Kind::handled);
  CHECK(notify.state("sms") == "accepted 2");
  CHECK(notify.whatsapp().sent.size() == 1);
  CHECK(notify.types() == Types{sent, sent});
}

TEST_CASE("a refusal that says nothing of the message costs no attempt") {
  Notify notify;
  SUBCASE("too many messages, a 429") {
    notify.sms().answer = no_for_now(Refused::Kind::throttled);
  }
  SUBCASE("the provider is away") {
    notify.sms().answer = no_for_now();
    std::get<Refused>(*notify.sms().answer).of_provider = true;
  }
  SUBCASE("its turn is too far off") {
    notify.sms().no_turn = no_for_now();
  }
  auto const waiting = notify.hand_sms();
  CHECK(waiting == Kind::deferred);
  CHECK(waiting.retry_after == seconds{7});
  for (int i = 0; i < 20; ++i) CHECK(notify.context.try_again() == Kind::deferred);
  CHECK(notify.context.attempt() == 1);
  CHECK(notify.types().empty());
  notify.sms().answer.reset();
  notify.sms().no_turn.reset();
  CHECK(notify.context.try_again() == Kind::handled);
  CHECK(notify.types() == Types{sent});
}

TEST_CASE("a message that is refused for good has failed, and the request is handled") {
  Notify notify;
  notify.sms().answer = Refused{Refused::Kind::permanent, "4001", "no such number"};
  CHECK(notify.hand() == Kind::handled);
  CHECK(notify.state("sms") == "failed 1");
  auto const told = notify.context.published<NotificationFailed>();
  REQUIRE(told.size() == 1);
  CHECK(told[0].channel == "sms");
  CHECK(told[0].error_code == "4001");
  CHECK(told[0].reason == "no such number");
  CHECK(notify.context.published<NotificationSent>().size() == 1);
}

TEST_CASE("a message is given up after its last attempt, before its request would be parked") {
  Notify notify;
  notify.sms().answer = no_for_now();
  REQUIRE(notify.hand_sms() == Kind::waits);
  CHECK(notify.context.try_until_over() == Kind::handled);
  CHECK(notify.sends() == static_cast<std::size_t>(notify.settings.send_max_attempts));
  CHECK(notify.state() == "failed 6");
  CHECK(notify.types() == Types{failed});
}

TEST_CASE("a message that was put off for too long is given up") {
  Notify notify;
  notify.context.set_time_ms(wall_clock_ms() - notify.settings.send_give_up_after.count() - 1'000);
  notify.sms().answer = no_for_now(Refused::Kind::throttled);
  CHECK(notify.hand_sms() == Kind::handled);
  CHECK(notify.types() == Types{failed});
  CHECK(notify.context.published<NotificationFailed>()[0].reason == "given up after SEND_GIVE_UP_AFTER: no");
}

TEST_CASE("a message of unknown fate is in doubt and not sent again") {
  Notify notify;
  notify.sms().answer = Unknown{"the answer did not come"};
  CHECK(notify.hand_sms() == Kind::handled);
  CHECK(notify.state() == "in_doubt 1");
  CHECK(notify.context.published<NotificationInDoubt>().at(0).reason == "the answer did not come");
  CHECK(notify.context.come_again() == Kind::handled);
  CHECK(notify.sends() == 1);
  CHECK(notify.types() == Types{in_doubt});
}

TEST_CASE("a message of unknown fate is sent again where its channel is set so") {
  NotifySettings settings;
  settings.sms_delivery_policy = DeliveryPolicy::at_least_once;
  Notify notify{settings};
  notify.sms().answer = Unknown{"the answer did not come"};
  CHECK(notify.hand_sms() == Kind::waits);
  notify.sms().answer.reset();
  CHECK(notify.context.try_again() == Kind::handled);
  CHECK(notify.sends() == 2);
  CHECK(notify.state() == "accepted 2");
}

TEST_CASE("a message that may not be sent is skipped, and its reason is published") {
  Notify notify;
  std::string reason;
  SUBCASE("to a person who said STOP") {
    notify.person().sms_opt_out = true;
    reason = "opted_out";
  }
  SUBCASE("to a person who said STOP after it was claimed") {
    notify.sms().on_turn = [&] { notify.person().sms_opt_out = true; };
    reason = "opted_out";
  }
  SUBCASE("once its request has expired") {
    notify.request.expires_at = "2026-01-01T00:00:00Z";
    reason = "expired";
  }
  SUBCASE("beyond the tenant's spend cap") {
    notify.sms().price_micros = 600'000;
    notify.ledger.cap_micros = 1'000'000;
    REQUIRE(notify.hand_sms() == Kind::handled);
    REQUIRE(notify.ledger.spent_micros == 600'000);
    reason = "spend_cap";
  }
  SUBCASE("without a provider") {
    notify.providers.erase("sms");
    notify.start("a");
    reason = "not_configured";
  }
  auto const before = notify.types().size();
  CHECK(notify.hand_sms() == Kind::handled);
  CHECK(notify.state() == "skipped 1");
  auto const told = notify.context.published<NotificationSkipped>();
  REQUIRE(told.size() == 1);
  CHECK(told[0].reason == reason);
  CHECK(notify.types().size() == before + 1);
  if (notify.providers.contains("sms")) CHECK(notify.sms().sent.size() == before);
}

TEST_CASE("the answer to STOP reaches the person who said it") {
  Notify notify;
  notify.person().sms_opt_out = true;
  notify.request.kind = "opt_out";
  CHECK(notify.hand_sms() == Kind::handled);
  CHECK(notify.sends() == 1);
}

TEST_CASE("a replay sends nothing and moves no delivery") {
  Notify notify;
  notify.context.replay();
  notify.handler.emplace(notify.settings, std::make_unique<FakeDeliveries>(notify.ledger), nullptr);
  CHECK(notify.hand() == Kind::handled);
  CHECK(notify.context.passed_over() == "a replay sends nothing");
  CHECK(notify.hand_receipt("delivered") == Kind::handled);
  CHECK(notify.context.passed_over() == "a replay moves no delivery");
  CHECK(notify.sends() == 0);
  CHECK(notify.ledger.rows.empty());
  CHECK(notify.context.commits() == 0);
}

TEST_CASE("a request for a person who was erased is parked, and nothing is sent") {
  Notify notify;
  notify.ledger.people.clear();
  CHECK(notify.hand() == Kind::parked);
  CHECK(notify.context.parked()->error_class() == "unknown_profile");
  CHECK(notify.sends() == 0);
  CHECK(notify.ledger.rows.empty());
  CHECK(notify.types().empty());
}

TEST_CASE("a person who is erased while a message waits gets none, and the request is parked") {
  Notify notify;
  notify.sms().answer = no_for_now();
  REQUIRE(notify.hand_sms() == Kind::waits);
  notify.ledger.people.clear();
  CHECK(notify.context.try_again() == Kind::parked);
  CHECK(notify.sends() == 1);
  CHECK(notify.state() == "failed 2");
  CHECK(notify.types() == Types{failed});
}

TEST_CASE("a commit that fails after sending has nothing sent twice") {
  Notify notify;
  notify.context.fail_next_commit(Failure::outage("the database is away"));
  CHECK(notify.hand() == Kind::outage);
  CHECK(notify.sends() == 2);
  CHECK(notify.state("sms") == "dispatching 1");
  CHECK(notify.types().empty());
  SUBCASE("by the same process, which knows the answers") {
    CHECK(notify.context.try_again() == Kind::handled);
    CHECK(notify.state("sms") == "accepted 1");
    CHECK(notify.types() == Types{sent, sent});
  }
  SUBCASE("by another one, which waits and then leaves them in doubt") {
    notify.start("b");
    CHECK(notify.context.come_again() == Kind::deferred);
    notify.ledger.end_leases();
    CHECK(notify.context.try_again() == Kind::handled);
    CHECK(notify.state("sms") == "in_doubt 1");
    CHECK(notify.types() == Types{in_doubt, in_doubt});
  }
  CHECK(notify.sends() == 2);
}

TEST_CASE("a worker that has lost the partition leaves its answers in the ledger, for the next owner") {
  Notify notify;
  notify.context.fail_next_commit(Fenced{});
  CHECK(notify.hand() == Kind::fenced);
  CHECK(notify.state("sms") == "dispatching 1");
  CHECK(notify.ledger.rows.at(notify.key("sms")).answer);
  CHECK(notify.types().empty());
  notify.start("heir");
  CHECK(notify.context.come_again() == Kind::handled);
  CHECK(notify.state("sms") == "accepted 1");
  CHECK(notify.context.published<NotificationSent>().back().provider_message_id == "sms1");
  CHECK(notify.sends() == 2);
}

TEST_CASE("receipts move a delivery on, and say nothing twice") {
  Notify notify;
  REQUIRE(notify.hand_sms() == Kind::handled);
  auto const key = notify.key("sms");
  CHECK(notify.hand_receipt("delivered") == Kind::handled);
  CHECK(notify.hand_receipt("delivered") == Kind::handled);
  CHECK(notify.hand_receipt("read") == Kind::handled);
  CHECK(notify.hand_receipt("failed") == Kind::handled);
  CHECK(notify.hand_receipt("delivered", "another's") == Kind::handled);
  CHECK(notify.ledger.rows.at(key).state == "read");
  CHECK(notify.types() == Types{sent, delivered, "omnibus.notification.read.v1"});
  CHECK(notify.context.published<NotificationDelivered>()[0].occurred_at == "2026-11-20T12:00:00Z");
}

TEST_CASE("a receipt that reports a failure fails what was accepted") {
  Notify notify;
  REQUIRE(notify.hand_sms() == Kind::handled);
  CHECK(notify.hand_receipt("failed") == Kind::handled);
  CHECK(notify.context.published<NotificationFailed>().at(0).error_code == "unreachable");
}

TEST_CASE("a receipt is the first word of a message in doubt: it was accepted, too") {
  Notify notify;
  notify.sms().answer = Unknown{"the answer did not come"};
  REQUIRE(notify.hand_sms() == Kind::handled);
  DeliveryReceiptReceived receipt{"mtn_sms", "delivered", "2026-11-20T12:00:00Z", "m1", to_string(notify.key("sms")),
                                  {}};
  CHECK(notify.context.hand(*notify.handler, receipt) == Kind::handled);
  CHECK(notify.types() == Types{in_doubt, sent, delivered});
}

TEST_CASE("messages that were asked for fail when their request is parked before they are planned") {
  Notify notify;
  notify.ledger.away = true;
  REQUIRE(notify.hand() == Kind::outage);
  notify.ledger.away = false;
  notify.ledger.asked_for = {{notify.key("sms"), "planned"}, {notify.key("whatsapp"), "planned"}};
  notify.ledger.tenants["shop.example"] = false;
  CHECK(notify.context.try_again() == Kind::parked);
  CHECK(notify.ledger.asked_for.at(notify.key("sms")) == "failed");
  auto const told = notify.context.published<NotificationFailed>();
  REQUIRE(told.size() == 2);
  CHECK(told[0].channel == "whatsapp");
  CHECK(told[1].channel == "sms");
  CHECK(told[1].request_id == notify.context.event().id);
  CHECK(told[1].reason == "the tenant is not active");
}

TEST_CASE("what one channel sent stays so when the request is parked for the other's sake") {
  Notify notify;
  notify.sms().on_turn = [] { throw std::runtime_error{"a defect"}; };
  CHECK(notify.hand() == Kind::parked);
  CHECK(notify.context.parked()->error_class() == "exception");
  CHECK(notify.state("whatsapp") == "accepted 1");
  CHECK(notify.state("sms") == "failed 1");
  CHECK(notify.types() == Types{sent, failed});
  auto const told = notify.context.published<NotificationFailed>();
  REQUIRE(told.size() == 1);
  CHECK(told[0].channel == "sms");
  CHECK(told[0].provider == "mtn_sms");
  CHECK(told[0].error_code == "given_up");
}

TEST_CASE("a message on its way stays so when its request is parked: its fate is unknown") {
  Notify notify;
  notify.context.fail_next_commit(Failure::permanent("the database refused the change", "database"));
  CHECK(notify.hand_sms() == Kind::parked);
  CHECK(notify.state() == "dispatching 1");
  CHECK(notify.types().empty());
}
