// Profiles and sessions across channels, against a migrated database as the roles of the workers that keep them.
#include "handler/failure.hpp"
#include "sessions/session.hpp"
#include "tests/common/postgres/database_fixture.hpp"

#include <future>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

using namespace omnibus;
using namespace omnibus::sessions;

namespace {

constexpr auto domain = "shop.example";
constexpr auto phone = "+250788123456";

/// A person's sessions, seen over one connection of a worker.
class People {
 public:
  People() { database.add_tenant(domain); }

  template <class Work>
  auto in_transaction(Work const& work) {
    pqxx::work transaction{connection_};
    if constexpr (std::is_void_v<decltype(work(transaction))>) {
      work(transaction);
      transaction.commit();
    } else {
      auto result = work(transaction);
      transaction.commit();
      return result;
    }
  }
  Profile profile(PersonIdentity const& identity = {phone}) {
    return in_transaction([&](auto& transaction) { return find_or_create_profile(transaction, domain, identity); });
  }
  Session open(Uuid const& profile, Channel channel, std::string_view status = "active") {
    return in_transaction(
        [&](auto& transaction) { return get_or_create_session(transaction, profile, channel, status); });
  }
  std::optional<Session> merge(Session const& session, std::string_view patch,
                               std::optional<std::int32_t> version = {}) {
    return in_transaction(
        [&](auto& transaction) { return merge_session_context(transaction, session.id, patch, version); });
  }
  std::string ask(std::string const& query) {
    pqxx::connection connection{database.url()};
    return pqxx::nontransaction{connection}.query_value<std::string>(query);
  }
  void execute(std::string const& sql) {
    pqxx::connection connection{database.url()};
    pqxx::nontransaction{connection}.exec(sql);
  }

  test::TestDatabase database;

 private:
  pqxx::connection connection_{database.url_as("sms")};
};

std::string refusal(People& people, std::string_view tenant, PersonIdentity const& identity) {
  try {
    people.in_transaction([&](auto& transaction) { return find_or_create_profile(transaction, tenant, identity); });
  } catch (Failure const& failure) {
    return failure.error_class();
  }
  return "none";
}

}  // namespace

TEST_CASE("a person who was never heard of gets a profile that allows SMS") {
  People people;
  auto const first = people.profile();
  CHECK(first.created);
  CHECK(first.allows_sms);
  CHECK(first.allows_whatsapp);
  auto const again = people.profile();
  CHECK_FALSE(again.created);
  CHECK(again.id == first.id);
}

TEST_CASE("what WhatsApp adds to a known person is kept; of two who turn out to be one, the phone number's is taken") {
  People people;
  auto const by_phone = people.profile({phone});
  CHECK(people.profile({phone, "RW.abc"}).id == by_phone.id);
  CHECK(people.profile({std::nullopt, "RW.abc"}).id == by_phone.id);
  auto const by_user = people.profile({std::nullopt, "RW.other"});
  CHECK(by_user.created);
  auto const both = people.profile({phone, "RW.other"});
  CHECK(both.id == by_phone.id);
  CHECK(both.other == by_user.id);
}

TEST_CASE("messages on WhatsApp go to the id that it told last, however it spells the number") {
  People people;
  auto const profile = people.profile({"+5541999998888"});
  auto const note = [&](std::optional<std::string> const& wa_id) {
    people.in_transaction([&](auto& transaction) { note_whatsapp_inbound(transaction, profile.id, 0, wa_id); });
    return people.ask("SELECT COALESCE(whatsapp_jid, 'none') FROM profiles");
  };
  CHECK(note({}) == "none");
  CHECK(note("554199998888") == "554199998888");
  CHECK(note({}) == "554199998888");
  CHECK(note("5541999998888") == "5541999998888");
  people.execute("UPDATE profiles SET whatsapp_jid = '5541999998888:3@s.whatsapp.net'");
  CHECK(note("5541999998888") == "5541999998888:3@s.whatsapp.net");
  CHECK(note("554199998888") == "554199998888");
}

TEST_CASE("a sender that is no number has a profile of its own") {
  People people;
  PersonIdentity const name{{}, {}, "EasyMO"};
  auto const first = people.profile(name);
  CHECK(first.created);
  CHECK(people.profile(name).id == first.id);
  CHECK(people.profile().id != first.id);
  CHECK(people.profile({{}, {}, "8080"}).created);
  CHECK_THROWS_AS(people.execute("INSERT INTO profiles (domain) VALUES ('shop.example')"), pqxx::check_violation);
}

TEST_CASE("nobody is made for a domain that is no tenant, or a suspended one") {
  People people;
  CHECK(refusal(people, "nobody.example", {phone}) == "unknown_tenant");
  people.execute("INSERT INTO tenants (domain, status) VALUES ('late.example', 'suspended')");
  CHECK(refusal(people, "late.example", {phone}) == "inactive_tenant");
}

TEST_CASE("a call's session is gone on with by SMS, which makes it active and extends it") {
  People people;
  auto const profile = people.profile();
  auto const called = people.open(profile.id, Channel::voice, "follow_up");
  CHECK(called.status == "follow_up");
  people.execute("UPDATE omnichannel_sessions SET expires_at = now() + interval '1 minute'");
  auto const answered = people.open(profile.id, Channel::sms);
  CHECK(answered.id == called.id);
  CHECK(answered.status == "active");
  CHECK(people.ask("SELECT expires_at > now() + interval '23 hours' FROM omnichannel_sessions") == "t");
  CHECK(people.ask("SELECT primary_channel || ' ' || last_channel FROM omnichannel_sessions") == "voice sms");
  CHECK(people.ask("SELECT last_active_channel FROM profiles") == "sms");
}

TEST_CASE("a session that expired is closed and another one begins") {
  People people;
  auto const profile = people.profile();
  auto const old = people.open(profile.id, Channel::voice, "follow_up");
  CHECK_FALSE(old.expired_age_s);
  people.execute(
      "UPDATE omnichannel_sessions SET created_at = now() - interval '25 hours',"
      " expires_at = now() - interval '1 hour'");
  CHECK_FALSE(people.in_transaction([&](auto& transaction) { return get_active_session(transaction, profile.id); }));
  auto const next = people.open(profile.id, Channel::sms);
  CHECK(next.id != old.id);
  CHECK(next.expired_age_s == 24 * 3600.0);
  CHECK_FALSE(people.open(profile.id, Channel::sms).expired_age_s);
  CHECK(people.ask("SELECT status FROM omnichannel_sessions WHERE primary_channel = 'voice'") == "closed");
}

TEST_CASE("the clean-up closes what has expired and nothing else") {
  People people;
  for (auto const* number : {"+250788000001", "+250788000002", "+250788000003"})
    people.open(people.profile({number}).id, Channel::sms);
  people.execute(
      "UPDATE omnichannel_sessions SET expires_at = now() - interval '1 second' WHERE id IN"
      " (SELECT id FROM omnichannel_sessions LIMIT 2)");
  CHECK(people.ask("SELECT cleanup_expired_omnichannel_sessions()") == "2");
  CHECK(people.ask("SELECT cleanup_expired_omnichannel_sessions()") == "0");
  CHECK(people.ask("SELECT count(*) FROM omnichannel_sessions WHERE status = 'active'") == "1");
}

TEST_CASE("a merge that read an older context changes nothing") {
  People people;
  auto const session = people.open(people.profile().id, Channel::sms);
  auto const first = people.merge(session, R"({"price":"300k","colour":"red"})", session.version);
  REQUIRE(first);
  CHECK_FALSE(people.merge(session, R"({"price":"250k"})", session.version));
  auto const second = people.merge(session, R"({"price":"250k"})", first->version);
  REQUIRE(second);
  CHECK(second->context == R"({"price": "250k", "colour": "red"})");
}

TEST_CASE("a context does not grow beyond 16 KiB, nor by numbers that are short only until they are written out") {
  People people;
  auto const session = people.open(people.profile().id, Channel::sms);
  CHECK_FALSE(people.merge(session, R"({"noise":")" + std::string(16384, 'x') + "\"}"));
  CHECK_FALSE(people.merge(session, R"({"number":1e20000})"));
  CHECK(people.merge(session, R"({"price":"250k"})"));
}

TEST_CASE("a closed session stays closed") {
  People people;
  auto const session = people.open(people.profile().id, Channel::sms);
  auto const update = [&](std::string_view status) {
    return people.in_transaction(
        [&](auto& transaction) { return update_session_status(transaction, session.id, status); });
  };
  CHECK(update("follow_up")->status == "follow_up");
  CHECK(update("closed")->status == "closed");
  CHECK_FALSE(update("active"));
  CHECK_FALSE(people.merge(session, R"({"price":"250k"})"));
}

TEST_CASE("workers that meet at one new person make one profile and one session") {
  People people;
  constexpr int workers = 8;
  std::vector<std::future<std::pair<Uuid, Uuid>>> met;
  for (int i = 0; i < workers; ++i) {
    met.push_back(std::async(std::launch::async, [&people, i] {
      pqxx::connection connection{people.database.url_as(i % 2 == 0 ? "call" : "sms")};
      pqxx::work transaction{connection};
      auto const profile = find_or_create_profile(transaction, domain, {phone});
      auto const session = get_or_create_session(transaction, profile.id, Channel::sms);
      transaction.commit();
      return std::pair{profile.id, session.id};
    }));
  }
  auto const first = met.front().get();
  for (int i = 1; i < workers; ++i) CHECK(met[static_cast<std::size_t>(i)].get() == first);
  CHECK(people.ask("SELECT count(*) FROM omnichannel_sessions") == "1");
}

TEST_CASE("a person opts out of a channel and in again, and the time of the first opt-out stands") {
  People people;
  auto const profile = people.profile();
  auto const change = [&](auto how, Channel channel) {
    people.in_transaction([&](auto& transaction) { how(transaction, profile, channel); });
  };
  change(opt_out, Channel::sms);
  auto const when = people.ask("SELECT sms_opt_out_at::text FROM profiles");
  change(opt_out, Channel::sms);
  CHECK(people.ask("SELECT sms_opt_out_at::text FROM profiles") == when);
  CHECK_FALSE(people.profile().allows_sms);
  CHECK(people.profile().allows_whatsapp);
  change(opt_in, Channel::sms);
  CHECK(people.profile().allows_sms);
  change(opt_out, Channel::whatsapp);
  CHECK_FALSE(people.profile().allows_whatsapp);
  CHECK(people.profile().allows_sms);
}

TEST_CASE("who says STOP as one is left alone as the other, too") {
  People people;
  auto const alone = people.profile({std::nullopt, "RW.other"});
  people.profile();
  auto const both = people.profile({phone, "RW.other"});
  people.in_transaction([&](auto& transaction) { opt_out(transaction, both, Channel::whatsapp); });
  CHECK(people.ask("SELECT count(*) FROM profiles WHERE whatsapp_opt_out_at IS NOT NULL") == "2");
  CHECK_FALSE(people.profile({std::nullopt, "RW.other"}).allows_whatsapp);
  CHECK(people.profile({std::nullopt, "RW.other"}).id == alone.id);
}

TEST_CASE("closing what has expired tells how old each session became, and leaves what another one is changing") {
  People people;
  for (auto const* number : {"+250788000001", "+250788000002", "+250788000003"})
    people.open(people.profile({number}).id, Channel::sms);
  people.execute(
      "UPDATE omnichannel_sessions SET created_at = now() - interval '30 hours', expires_at = now() - interval '5 "
      "hours'");
  auto const close = [&](std::int32_t limit) {
    return people.in_transaction([&](auto& transaction) { return close_expired_sessions(transaction, limit); });
  };
  {
    pqxx::connection other{people.database.url()};
    pqxx::work changing{other};
    changing.exec("SELECT 1 FROM omnichannel_sessions LIMIT 1 FOR UPDATE");
    CHECK(close(1) == std::vector{25 * 3600.0});
    CHECK(close(10) == std::vector{25 * 3600.0});
    CHECK(close(10).empty());
  }
  CHECK(close(10).size() == 1);
  CHECK(people.ask("SELECT count(*) FROM omnichannel_sessions WHERE status = 'closed' AND closed_at > expires_at") ==
        "3");
}

TEST_CASE("the window for free text is opened by a message, not by one that came earlier or by a clock ahead") {
  People people;
  auto const profile = people.profile();
  auto const note = [&](std::int64_t at_ms) {
    people.in_transaction([&](auto& transaction) { note_whatsapp_inbound(transaction, profile.id, at_ms); });
  };
  note(1'790'000'000'000);
  note(1'780'000'000'000);
  CHECK(people.ask("SELECT extract(epoch FROM last_whatsapp_inbound_at)::bigint FROM profiles") == "1790000000");
  note(99'000'000'000'000);
  CHECK(people.ask("SELECT last_whatsapp_inbound_at <= now() AND has_whatsapp FROM profiles") == "t");
}

TEST_CASE("a replay can make nobody and open nothing: PostgreSQL refuses") {
  People people;
  people.open(people.profile().id, Channel::sms);
  pqxx::connection replay{people.database.url_as("replay")};
  for (auto const* statement :
       {"INSERT INTO profiles (domain, phone_number) VALUES ('shop.example', '+250788999999')",
        "UPDATE profiles SET allows_sms = false", "UPDATE omnichannel_sessions SET status = 'closed'",
        "INSERT INTO omnichannel_sessions (domain, profile_id, primary_channel, last_channel)"
        " SELECT domain, id, 'sms', 'sms' FROM profiles",
        "SELECT log_message_delivery(gen_random_uuid(), id, NULL, 'sms', 'outbound', 'reply', 'sent') FROM profiles"}) {
    CAPTURE(statement);
    pqxx::work transaction{replay};
    CHECK_THROWS_AS(transaction.exec(statement), pqxx::insufficient_privilege);
  }
}
