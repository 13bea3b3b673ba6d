// Opt-outs that outlive profiles, against a migrated database as the roles of the workers that make profiles.
#include "sessions/opt_out.hpp"
#include "subjects/subjects.hpp"
#include "tests/common/postgres/database_fixture.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

using namespace omnibus;
using namespace omnibus::sessions;

namespace {

constexpr auto domain = "shop.example";
constexpr auto phone = "+250788123456";
constexpr auto key = "0123456789abcdef0123456789abcdef";

/// A person who is known by a number, and by the key of the records that they send.
class Person {
 public:
  Person() { database.add_tenant(domain); }

  /// A message or a call of theirs arrives at a worker.
  Profile turn_up(std::string_view worker = "sms", PersonIdentity identity = {phone, {}, {}, {}, key}) const {
    pqxx::connection connection{database.url_as(worker)};
    pqxx::work transaction{connection};
    auto const profile = find_or_create_profile(transaction, domain, identity);
    transaction.commit();
    return profile;
  }
  void stop(Channel channel) const {
    auto const profile = turn_up();
    in_sms([&](auto& transaction) { opt_out(transaction, profile, channel); });
  }
  void start(Channel channel) const {
    auto const profile = turn_up();
    in_sms([&](auto& transaction) { opt_in(transaction, profile, channel); });
  }
  template <class Work>
  void in_sms(Work const& work) const {
    pqxx::connection connection{database.url_as("sms")};
    pqxx::work transaction{connection};
    work(transaction);
    transaction.commit();
  }
  void execute(std::string const& sql) const {
    pqxx::connection connection{database.url()};
    pqxx::nontransaction{connection}.exec(sql);
  }
  /// As an erasure does.
  void delete_profile() const { execute("DELETE FROM profiles"); }
  /// The channels of which an opt-out is kept, with its source.
  std::string suppressions() const {
    pqxx::connection connection{database.url()};
    return pqxx::nontransaction{connection}.query_value<std::string>(
        "SELECT coalesce(string_agg(channel || ' ' || source, ', ' ORDER BY channel, subject_key), '') FROM "
        "suppressions");
  }

  omnibus::test::TestDatabase database;
};

}  // namespace

TEST_CASE("a STOP outlives its profile: the next profile of the same person starts opted out") {
  Person person;
  person.stop(Channel::sms);
  person.delete_profile();
  std::string worker;
  SUBCASE("when they write") {
    worker = "sms";
  }
  SUBCASE("when they call") {
    worker = "call";
  }
  auto const profile = person.turn_up(worker);
  CHECK(profile.created);
  CHECK_FALSE(profile.allows_sms);
  CHECK(profile.allows_whatsapp);
}

TEST_CASE("a STOP on WhatsApp outlives its profile, and says nothing of SMS") {
  Person person;
  person.stop(Channel::whatsapp);
  person.delete_profile();
  auto const profile = person.turn_up();
  CHECK(profile.allows_sms);
  CHECK_FALSE(profile.allows_whatsapp);
}

TEST_CASE("a person whom WhatsApp names by a user id is recognised by the key of their number") {
  Person person;
  person.stop(Channel::whatsapp);
  person.delete_profile();
  CHECK_FALSE(person.turn_up("sms", {{}, "CC.user", {}, {}, key}).allows_whatsapp);
}

TEST_CASE("START lifts a STOP for good, on its own channel alone") {
  Person person;
  person.stop(Channel::sms);
  person.stop(Channel::whatsapp);
  person.delete_profile();
  person.start(Channel::sms);
  CHECK(person.turn_up().allows_sms);
  CHECK_FALSE(person.turn_up().allows_whatsapp);
  person.delete_profile();
  CHECK(person.turn_up().allows_sms);
  CHECK_FALSE(person.turn_up().allows_whatsapp);
}

TEST_CASE("an import that overwrites a profile lifts no STOP") {
  Person person;
  person.stop(Channel::sms);
  person.execute("UPDATE profiles SET allows_sms = true, sms_opt_out_at = NULL");
  CHECK(person.suppressions() == "sms profile");
  person.delete_profile();
  CHECK_FALSE(person.turn_up().allows_sms);
}

TEST_CASE("an opt-out of a profile without a key is kept once the key is known") {
  Person person;
  person.turn_up("sms", {phone});
  person.execute("UPDATE profiles SET allows_sms = false, whatsapp_opt_out_at = now()");
  REQUIRE(person.suppressions().empty());
  person.turn_up();
  CHECK(person.suppressions() == "sms profile, whatsapp profile");
}

TEST_CASE("a profile that gets its key gets the opt-outs that are kept by it") {
  Person person;
  REQUIRE(person.turn_up("sms", {phone}).allows_sms);
  person.in_sms([](auto& transaction) { suppress(transaction, domain, Channel::sms, {key}); });
  CHECK_FALSE(person.turn_up().allows_sms);
}

TEST_CASE("a profile keeps its key, whatever key a later record has") {
  Person person;
  person.turn_up();
  auto const profile = person.turn_up("sms", {phone, {}, {}, {}, std::string(32, 'f')});
  CHECK(profile.subject_key == key);
}

TEST_CASE("an opt-out is kept once, for tenants that there are, and not for voice") {
  Person person;
  person.in_sms([](auto& transaction) {
    suppress(transaction, domain, Channel::sms, {key});
    suppress(transaction, domain, Channel::sms, {key});
    suppress(transaction, domain, Channel::voice, {key});
    suppress(transaction, domain, Channel::sms, {});
    suppress(transaction, "unknown.example", Channel::sms, {key});
  });
  CHECK(person.suppressions() == "sms stop");
}

TEST_CASE("a person's keys are those of both secrets, of each of their ids") {
  PersonIdentity const identity{phone, "CC.user"};
  auto const made = [](std::string_view secret, std::string_view sender) {
    return sender_key(secret, domain, sender).text();
  };
  CHECK(subject_keys({}, domain, identity).empty());
  CHECK(subject_keys({Secret{"present"}, {}}, domain, {phone}) == std::vector{made("present", phone)});
  CHECK(subject_keys({Secret{"present"}, Secret{"previous"}}, domain, identity) ==
        std::vector{made("present", phone), made("present", "CC.user"), made("previous", phone),
                    made("previous", "CC.user")});
}
