// Senders of tenants, as an operator manages them, in a migrated database.
#include "postgres/rows.hpp"
#include "senders/sender_directory.hpp"
#include "tests/common/postgres/database_fixture.hpp"
#include "workers/cli/database/tenant_senders.hpp"
#include "workers/cli/doctor/doctor.hpp"

#include <stdexcept>
#include <string>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

using namespace omnibus;
using namespace omnibus::cli;
using senders::Sender;

namespace {

Sender twilio(std::string domain, std::string number) {
  return checked_sender({{}, std::move(domain), {}, "twilio_sms", "AC1", std::move(number), {"auth_token=a-token"}});
}

std::string error_of(auto&& act) {
  try {
    act();
  } catch (std::runtime_error const& error) {
    return error.what();
  }
  return "";
}

struct Installation {
  Installation() {
    database.add_tenant("a.example");
    database.add_tenant("b.example");
  }
  SenderState state() {
    pqxx::connection connection{database.url_as("operator")};
    pqxx::nontransaction query{connection};
    return postgres::read_one<SenderState>(query, "SELECT unserved, sharing, orphaned FROM pipeline.sender_state()");
  }
  void deliver(std::string const& domain, std::string const& provider) {
    pqxx::nontransaction{admin}.exec(
        "INSERT INTO pipeline.delivery (effect_key, event_key, request_source, request_id, domain, profile_id, channel,"
        " provider, kind, state) VALUES (gen_random_uuid(), gen_random_uuid(), '/t', '1', $1, gen_random_uuid(), 'sms',"
        " $2, 'message', 'accepted')",
        pqxx::params{domain, provider});
  }

  omnibus::test::TestDatabase database;
  pqxx::connection admin{database.url()};
};

}  // namespace

TEST_CASE("a sender is added, listed for the workers and the gateway, and removed") {
  Installation installation;
  add_sender(installation.admin, twilio("a.example", "+15550001111"));
  add_sender(installation.admin, twilio("b.example", "+15550002222"));
  CHECK(list_senders(installation.admin, "a.example").size() == 1);
  CHECK(list_senders(installation.admin, "").size() == 2);
  for (auto const* const role : {"gateway", "notify"}) {
    pqxx::connection connection{installation.database.url_as(role)};
    auto const read = senders::read_senders(connection);
    REQUIRE(read.size() == 2);
    auto const& first = read[read[0].domain == "a.example" ? 0 : 1];
    CHECK(first.sender == "+15550001111");
    CHECK(first.secret("auth_token") == "a-token");
  }
  pqxx::connection chat{installation.database.url_as("chat")};
  CHECK_THROWS_AS(senders::read_senders(chat), pqxx::insufficient_privilege);
  remove_sender(installation.admin, "a.example", "sms");
  CHECK(list_senders(installation.admin, "a.example").empty());
}

TEST_CASE("a number belongs to one tenant, and a tenant has one sender for a channel") {
  Installation installation;
  add_sender(installation.admin, twilio("a.example", "+15550001111"));
  CHECK(error_of([&] {
          add_sender(installation.admin, twilio("a.example", "+15550003333"));
        }).find("omnibus tenant sender remove a.example sms") != std::string::npos);
  CHECK(error_of([&] {
          add_sender(installation.admin, twilio("b.example", "+15550001111"));
        }).find("another tenant's sender") != std::string::npos);
  CHECK(error_of([&] {
          add_sender(installation.admin, twilio("c.example", "+15550004444"));
        }).find("omnibus tenant add c.example") != std::string::npos);
  CHECK(error_of([&] { remove_sender(installation.admin, "b.example", "sms"); }).find("no sender for sms") !=
        std::string::npos);
}

TEST_CASE("an error in a sender names the option to change") {
  auto const refused = [](Sender sender) { return error_of([&] { checked_sender(std::move(sender)); }); };
  Sender const right{{}, "a.example", {}, "twilio_sms", "AC1", "+15550001111", {"auth_token=a-token"}};
  CHECK(refused(right).empty());
  auto wrong = right;
  wrong.provider = "twilio";
  CHECK(refused(wrong).starts_with("--provider"));
  wrong = right;
  wrong.account = "";
  CHECK(refused(wrong).find("--account") != std::string::npos);
  for (auto const* const number : {"+0788123456", "0788123456789", "+250 788"}) {
    wrong = right;
    wrong.sender = number;
    CHECK(refused(wrong).starts_with("--sender"));
  }
  for (auto const* const secret : {"auth_token=", "auth_token=../x", "token=x", "s3cret"}) {
    wrong = right;
    wrong.secrets = {secret};
    CHECK(refused(wrong).starts_with("--secret"));
  }
  wrong = right;
  wrong.secrets.clear();
  CHECK(refused(wrong).find("--secret auth_token=NAME") != std::string::npos);
  CHECK(
      refused({{}, "a.example", {}, "whatsapp_cloud", "", "+15550001111", {"access_token=x"}}).starts_with("--sender"));
  CHECK(checked_sender({{}, "a.example", {}, "whatsapp_cloud", "", "1055", {"access_token=x"}}).channel == "whatsapp");
}

TEST_CASE("the doctor names tenants without a sender, tenants that share one, and senders without an active tenant") {
  Installation installation;
  CHECK(judge_senders(installation.state()).status == Finding::Status::ok);
  installation.deliver("a.example", "twilio_sms");  // alone on the sender of the settings
  CHECK(judge_senders(installation.state()).status == Finding::Status::ok);
  installation.deliver("b.example", "none");
  auto const unserved = judge_senders(installation.state());
  CHECK(unserved.status == Finding::Status::warn);
  CHECK(unserved.seen.find("b.example (sms)") != std::string::npos);
  CHECK(unserved.seen.find("a.example") == std::string::npos);
  installation.deliver("b.example", "twilio_sms");
  CHECK(judge_senders(installation.state())
            .seen.find("share the sender of the settings: a.example (sms), b.example (sms)") != std::string::npos);
  add_sender(installation.admin, twilio("b.example", "+15550002222"));
  CHECK(judge_senders(installation.state()).status == Finding::Status::ok);
  pqxx::nontransaction{installation.admin}.exec("UPDATE tenants SET status = 'suspended' WHERE domain = 'b.example'");
  auto const orphaned = judge_senders(installation.state());
  CHECK(orphaned.status == Finding::Status::warn);
  CHECK(orphaned.seen.find("+15550002222 of b.example") != std::string::npos);
}
