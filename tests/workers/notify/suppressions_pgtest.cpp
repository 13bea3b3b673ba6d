// What is asked before a message is sent: opt-outs that are older than the profile, in a migrated database.
#include "subjects/subjects.hpp"
#include "tests/workers/notify/ledger_fixture.hpp"

#include <string>
#include <vector>

using namespace omnibus;
using namespace omnibus::notify;
using namespace omnibus::notify::test;

namespace {

constexpr auto phone = "+250788123456";

std::string key_by(std::string_view secret) {
  return sender_key(secret, domain, phone).text();
}

struct SuppressingLedger : Ledger {
  void suppress(std::string const& key, std::string const& channel = "sms") const {
    value("INSERT INTO suppressions (domain, channel, subject_key, since, source) VALUES ('shop.example', '" + channel +
          "', '" + key + "', '2026-01-01Z', 'stop') RETURNING 'kept'");
  }
  /// Whether a message may go, by a worker with these secrets: the same for one that was claimed and one that is new.
  Clearance send(std::vector<std::string> const& secrets = {}, std::string kind = "message",
                 std::string channel = "sms") {
    auto message = plan(std::move(channel));
    message.kind = std::move(kind);
    open(message);
    Departure departure{message.effect_key};
    for (auto const& secret : secrets) departure.subject_keys.push_back(key_by(secret));
    auto const verdict = dispatch_deliveries(notify, {departure}, "a", lease, {}).front();
    auto fresh = plan(message.channel);
    fresh.kind = message.kind;
    if (fresh.kind == "opt_out") ask_for(fresh);
    CHECK(dispatch_new_deliveries(notify, {{fresh, departure.subject_keys}}, "a", lease, {}).front() == verdict);
    return verdict;
  }
};

}  // namespace

TEST_CASE("a message to a person whose STOP is older than their profile is not sent") {
  SuppressingLedger ledger;
  std::vector<std::string> secrets;
  SUBCASE("the profile has the key of the record that made it") {
    ledger.suppress(key_by("present"));
    // As if the profile had been restored or imported: a new one would start opted out.
    ledger.value("UPDATE profiles SET subject_key = '" + key_by("present") + "' RETURNING 'set'");
    ledger.value("UPDATE profiles SET allows_sms = true, sms_opt_out_at = NULL RETURNING 'overwritten'");
  }
  SUBCASE("the worker makes the key of the number") {
    ledger.suppress(key_by("present"));
    secrets = {"present"};
  }
  SUBCASE("the STOP was kept with the secret before") {
    ledger.suppress(key_by("previous"));
    secrets = {"present", "previous"};
  }
  CHECK(ledger.send(secrets) == Clearance::opted_out);
  CHECK(ledger.send(secrets, "opt_out") == Clearance::go);  // the answer to STOP
  CHECK(ledger.send(secrets, "message", "whatsapp") == Clearance::go);
}

TEST_CASE("an opt-out that was met by the secret before is kept by the present one, with its time") {
  SuppressingLedger ledger;
  ledger.suppress(key_by("previous"));
  REQUIRE(ledger.send({"present", "previous"}) == Clearance::opted_out);
  CHECK(ledger.value("SELECT since = '2026-01-01Z' AND source = 'dispatch' FROM suppressions WHERE subject_key = '" +
                     key_by("present") + "'") == "t");
  CHECK(ledger.send({"present"}) == Clearance::opted_out);
}

TEST_CASE("nobody else's opt-out is met") {
  SuppressingLedger ledger;
  ledger.suppress(key_by("another"));
  CHECK(ledger.send({"present", "previous"}) == Clearance::go);
  CHECK(ledger.send() == Clearance::go);
  CHECK(ledger.value("SELECT count(*) FROM suppressions") == "1");
}

TEST_CASE("each delivery is asked for its own person") {
  SuppressingLedger ledger;
  ledger.suppress(key_by("present"));
  auto const first = ledger.plan();
  auto const second = ledger.plan();
  for (auto const& plan : {first, second}) ledger.open(plan);
  auto const verdicts = dispatch_deliveries(
      ledger.notify, {{first.effect_key, 1, {key_by("other")}}, {second.effect_key, 1, {key_by("present")}}}, "a",
      lease, {});
  CHECK(verdicts == std::vector{Clearance::go, Clearance::opted_out});
}
