// What providers say of a person for good, in a migrated database.
#include "sessions/profile.hpp"
#include "tests/workers/notify/ledger_fixture.hpp"

#include <string>

using namespace omnibus;
using namespace omnibus::notify;
using namespace omnibus::notify::test;

namespace {

/// A ledger whose SMS go through Twilio.
struct TwilioLedger : Ledger {
  DeliveryPlan sms() const {
    auto plan = this->plan("sms");
    plan.provider = "twilio_sms";
    plan.kind = "message";
    return plan;
  }
  /// A message is on its way, and is refused with this code.
  DeliveryPlan refuse(DeliveryPlan plan, std::string code) {
    open(plan);
    dispatch(plan);
    end(plan, "failed", 1, {}, std::move(code));
    return plan;
  }
  /// Why a later message over the channel would be skipped; empty if it would be sent.
  std::string_view skip(std::string_view channel, std::string_view kind = "message") {
    auto const person = open(channel == "sms" ? sms() : plan("whatsapp")).person;
    return find_way(person, channel, kind, true, {}, 0).skip;
  }
  void in_session(std::function<void(pqxx::transaction_base&, sessions::Profile const&)> const& work) {
    pqxx::connection connection{database.url_as("sms")};
    pqxx::work transaction{connection};
    work(transaction, sessions::find_or_create_profile(transaction, domain, {"+250788123456"}));
    transaction.commit();
  }
};

}  // namespace

TEST_CASE("who has opted out at the provider is not written to again until START") {
  TwilioLedger ledger;
  CHECK(ledger.skip("sms").empty());
  SUBCASE("the provider answers so") {
    ledger.refuse(ledger.sms(), "21610");
  }
  SUBCASE("it accepts the message, and reports so") {  // github.com/twilio/twilio-python/issues/478
    auto const plan = ledger.sms();
    ledger.open(plan);
    ledger.dispatch(plan);
    ledger.end(plan, "accepted", 1, "SM1");
    REQUIRE(ledger.receipt(plan, "failed", "SM1", false, "21610"));
  }
  SUBCASE("an earlier attempt is in doubt") {
    auto const plan = ledger.sms();
    ledger.open(plan);
    ledger.dispatch_for_too_long(plan);
    REQUIRE(claim_again(ledger.notify, plan, 1, "b", lease));
    ledger.dispatch(plan, 2, "b");
    REQUIRE(ledger.end(plan, "failed", 2, {}, "21610") == States{"in_doubt"});
  }
  CHECK(ledger.skip("sms") == "opted_out");
  CHECK(ledger.skip("sms", "opt_in").empty());  // the answer to START goes out
  CHECK(ledger.skip("whatsapp").empty());
  auto const claimed = ledger.sms();
  ledger.open(claimed);
  CHECK(ledger.dispatch(claimed) == Clearance::opted_out);  // composed before
  CHECK(ledger.value("SELECT (sms_opt_out_at <= now() AND NOT allows_sms)::text FROM profiles") == "true");

  ledger.in_session([](auto& transaction, auto const& profile) {
    CHECK_FALSE(profile.allows_sms);
    sessions::opt_in(transaction, profile, sessions::Channel::sms);
  });
  CHECK(ledger.skip("sms").empty());
}

TEST_CASE("a number that can get no SMS is not sent any until one comes from it") {
  for (auto const* code : {"21211", "21265", "21614", "21635", "30006"}) {
    CAPTURE(code);
    TwilioLedger ledger;
    ledger.refuse(ledger.sms(), code);
    CHECK(ledger.skip("sms") == "no_sms");
    CHECK(ledger.skip("sms", "help") == "no_sms");
    CHECK(ledger.skip("whatsapp").empty());
    ledger.in_session(
        [](auto& transaction, auto const& profile) { sessions::note_sms_inbound(transaction, profile.id); });
    CHECK(ledger.skip("sms").empty());
  }
}

TEST_CASE("who wants no messages on WhatsApp, or is not there, is not sent any over it") {
  TwilioLedger ledger;
  SUBCASE("opted out") {
    ledger.refuse(ledger.plan("whatsapp"), "131050");
    CHECK(ledger.skip("whatsapp") == "opted_out");
    ledger.in_session([](auto& transaction, auto const& profile) {
      sessions::opt_in(transaction, profile, sessions::Channel::whatsapp);
    });
  }
  SUBCASE("not there") {
    ledger.refuse(ledger.plan("whatsapp"), "131026");
    CHECK(ledger.skip("whatsapp") == "no_whatsapp");
    ledger.in_session(
        [](auto& transaction, auto const& profile) { sessions::note_whatsapp_inbound(transaction, profile.id, 0); });
  }
  CHECK(ledger.skip("sms").empty());
  CHECK(ledger.skip("whatsapp").empty());
}

TEST_CASE("a refusal of one message says nothing of the person") {
  TwilioLedger ledger;
  for (auto const* code : {"30003", "30007", "30008", "21408", "21612", "131026", "131050", "given_up", ""})
    ledger.refuse(ledger.sms(), code);
  for (auto const* code : {"131047", "131049", "130472", "21610", "21614"})
    ledger.refuse(ledger.plan("whatsapp"), code);
  auto mtn = ledger.plan("sms");
  ledger.refuse(mtn, "21610");  // another provider's code
  CHECK(ledger.skip("sms").empty());
  CHECK(ledger.skip("whatsapp").empty());
}
