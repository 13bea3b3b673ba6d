// A request's place in flight while its messages wait for their turns.
#include "workers/notify/request_turns.hpp"

#include "handler/fake_context.hpp"
#include "tests/workers/notify/fake_deliveries.hpp"
#include "tests/workers/notify/fake_providers.hpp"
#include "time/time.hpp"
#include "workers/notify/handler.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::notify;
using namespace omnibus::notify::test;
using Kind = FakeContext::Kind;

namespace {

/// A person who has both channels, and the worker.
struct TwoChannels {
  TwoChannels() {
    context.set_time_ms(wall_clock_ms());
    ledger.tenants["shop.example"] = true;
    auto& person = ledger.people[request.profile_id];
    person.phone_number = "+250788123456";
    person.last_whatsapp_inbound_ms = wall_clock_ms() - 60'000;
  }

  auto hand() { return context.hand(handler, request); }
  auto hand_sms() {
    request.channels = {"sms"};
    return hand();
  }
  ProviderScript& sms() { return providers.at("sms"); }
  ProviderScript& whatsapp() { return providers.at("whatsapp"); }

  NotificationRequested request{"shop.example", random_uuid(), "message", {"whatsapp", "sms"}, "It is ready.", {}, {}};
  FakeContext context{"notify"};
  Deliveries ledger;
  std::map<std::string, ProviderScript, std::less<>> providers{{"sms", {}}, {"whatsapp", {}}};
  NotifyHandler handler{{}, std::make_unique<FakeDeliveries>(ledger, "a"), std::make_unique<FakeProviders>(providers)};
};

}  // namespace

TEST_CASE("a message that waits for its turn gives its place in flight back, and takes it again to be sent") {
  TwoChannels notify;
  notify.sms().wait = std::chrono::milliseconds{5};
  auto aside_on_send = true;
  notify.sms().on_send = [&] { aside_on_send = notify.context.aside(); };
  CHECK(notify.hand_sms() == Kind::handled);
  CHECK(notify.context.asides() == 1);
  CHECK_FALSE(aside_on_send);
  CHECK_FALSE(notify.context.aside());
  notify.sms().wait = {};
  CHECK(notify.hand_sms() == Kind::handled);
  CHECK(notify.context.asides() == 1);
}

TEST_CASE("a request gives its place back once none of its messages is being sent") {
  TwoChannels notify;
  notify.sms().wait = std::chrono::milliseconds{5};
  auto aside_on_send = true;
  notify.whatsapp().on_send = [&] { aside_on_send = notify.context.aside(); };
  CHECK(notify.hand() == Kind::handled);
  CHECK_FALSE(aside_on_send);           // the other message waits
  CHECK(notify.context.asides() == 1);  // when this one has been sent
  CHECK_FALSE(notify.context.aside());
  notify.whatsapp().wait = notify.sms().wait;
  CHECK(notify.hand() == Kind::handled);
  CHECK_FALSE(notify.context.aside());
  CHECK(notify.sms().sent.size() + notify.whatsapp().sent.size() == 4);
}
