// Keys of persons in PostgreSQL, and what a process does with them.
#include "config/config.hpp"
#include "kafka/event_subjects.hpp"
#include "sealing/sealer.hpp"
#include "tests/common/postgres/database_fixture.hpp"

#include <future>

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace omnibus;
using namespace omnibus::sealing;

namespace {

constexpr std::string_view message_type = "omnibus.chat.message.received.v1";
constexpr std::string_view canary = "Wanjiru wrote this";

MasterKeys master_keys(std::string current = "the first master key", std::string previous = {}) {
  return MasterKeys{{Secret{std::move(current)}, Secret{std::move(previous)}}};
}

std::string message(std::string_view domain, std::string_view session = "s1") {
  return fmt::format(R"({{"domain":"{}","session_id":"{}","text":"{}"}})", domain, session, canary);
}

/// A sealed tenant, a clear one, and workers of two roles.
struct Tenants {
  Tenants() {
    database.add_tenant("sealed.example");
    database.add_tenant("clear.example");
    seal_log("sealed.example");
  }

  void execute(std::string const& sql) const {
    pqxx::connection admin{database.url()};
    pqxx::nontransaction{admin}.exec(sql);
  }
  void seal_log(std::string const& domain) const {
    execute(
        "UPDATE tenants SET settings = settings || '{\"privacy_preferences\": {\"log\": \"sealed\"}}' WHERE domain = "
        "'" +
        domain + "'");
  }
  std::int64_t number(std::string const& query) const {
    pqxx::connection admin{database.url()};
    return pqxx::nontransaction{admin}.query_value<std::int64_t>(query);
  }
  std::int64_t destroy(SubjectKey const& subject) {
    pqxx::nontransaction transaction{gdpr};
    return transaction.exec("SELECT pipeline.destroy_subject_keys($1)", pqxx::params{std::vector{subject.text()}})
        .one_field()
        .as<std::int64_t>();
  }

  test::TestDatabase database;
  pqxx::connection chat{database.url_as("chat")};
  pqxx::connection gateway{database.url_as("gateway")};
  pqxx::connection gdpr{database.url_as("gdpr")};
};

/// One process.
struct SealingProcess : Sealer {
  explicit SealingProcess(pqxx::connection& connection, MasterKeys masters = master_keys())
      : Sealer{std::move(masters)} {
    refresh(connection);
  }

  /// Seals a message as it would be published.
  CloudEvent sealed(pqxx::connection& connection, std::string data) {
    CloudEvent event{originate("/test", message_type), std::move(data)};
    if (auto const planned = plan(message_type, event.data, "", ""))
      seal(*planned, *take(*planned, connection), event.envelope, event.data);
    return event;
  }
  /// Opens it, and loads the keys as the engine does.
  std::string opened(pqxx::connection& connection, CloudEvent const& event) {
    try {
      return open(view_of(event.envelope), event.data).data;
    } catch (KeysNeeded const& needed) {
      load(connection, needed.ids);
      return open(view_of(event.envelope), event.data).data;
    }
  }
};

SubjectKey subject_in(std::string const& data) {
  return subjects_of_event(message_type, data, "").front();
}

}  // namespace

TEST_CASE("a sealed tenant's texts are sealed, and every process opens them") {
  Tenants tenants;
  SealingProcess gateway{tenants.gateway};
  SealingProcess chat{tenants.chat};
  auto const event = gateway.sealed(tenants.gateway, message("sealed.example"));
  CHECK(event.envelope.sealed == "v1");
  CHECK(event.data.find(canary) == std::string::npos);
  CHECK(event.data.find(R"("session_id":"s1")") != std::string::npos);
  CHECK(chat.opened(tenants.chat, event) == message("sealed.example"));
  CHECK(chat.open(view_of(event.envelope), event.data).domain == "sealed.example");
}

TEST_CASE("a clear tenant's events stay as they are, and so do those without personal fields") {
  Tenants tenants;
  SealingProcess gateway{tenants.gateway};
  auto const event = gateway.sealed(tenants.gateway, message("clear.example"));
  CHECK(event.envelope.sealed.empty());
  CHECK(event.data == message("clear.example"));
  CHECK_FALSE(gateway.plan("omnibus.notification.read.v1", R"({"domain":"sealed.example"})", "", ""));
  CHECK(tenants.number("SELECT count(*) FROM pipeline.subject_keys") == 0);
}

TEST_CASE("an event that does not name its tenant has that of the event that caused it") {
  Tenants tenants;
  SealingProcess chat{tenants.chat};
  auto const reply = R"({"conversation_id":"0190b5e8-5a6c-7cc5-a4f4-0f6f7e2b1a11","in_reply_to":"1","text":"hello"})";
  CHECK(chat.plan("omnibus.chat.reply.generated.v1", reply, "", "sealed.example"));
  CHECK_FALSE(chat.plan("omnibus.chat.reply.generated.v1", reply, "", "clear.example"));
  CHECK_FALSE(chat.plan("omnibus.chat.reply.generated.v1", reply, "", ""));
}

TEST_CASE("before the tenants are known nothing personal is published in clear") {
  Sealer const sealer{master_keys()};
  CHECK_FALSE(sealer.is_idle());
  CHECK_THROWS_AS(static_cast<void>(sealer.plan(message_type, message("clear.example"), "", "")), KeyUnavailable);
}

TEST_CASE("two that make a person's key at once have the same") {
  Tenants tenants;
  SealingProcess one{tenants.gateway};
  SealingProcess other{tenants.chat};
  auto const planned = one.plan(message_type, message("sealed.example"), "", "").value();
  pqxx::work first{tenants.gateway};
  auto const made = one.take(planned, first);
  auto second = std::async(std::launch::async, [&] { return other.take(planned, tenants.chat); });
  pqxx::connection admin{tenants.database.url()};
  test::await_lock_wait(admin);
  SUBCASE("the second waits for the first") {
    first.commit();
    CHECK(second.get()->key_id == made->key_id);
    CHECK(tenants.number("SELECT count(*) FROM pipeline.subject_keys") == 1);
  }
  SUBCASE("a key that was rolled back is not used again") {
    first.abort();
    auto const theirs = second.get();
    CHECK(theirs->key_id != made->key_id);
    CHECK(one.at_hand(planned) == nullptr);
    CHECK(one.take(planned, tenants.gateway)->key_id == theirs->key_id);
  }
}

TEST_CASE("a key that a transaction made is used again within it") {
  Tenants tenants;
  SealingProcess chat{tenants.chat};
  auto const planned = chat.plan(message_type, message("sealed.example"), "", "").value();
  pqxx::work transaction{tenants.chat};
  auto const first = chat.take(planned, transaction);
  CHECK(chat.take(planned, transaction)->key_id == first->key_id);
  CHECK(chat.at_hand(planned) == nullptr);
}

TEST_CASE("what a destroyed key sealed is an erased person's, for all processes") {
  Tenants tenants;
  SealingProcess gateway{tenants.gateway};
  SealingProcess late{tenants.chat};
  auto const event = gateway.sealed(tenants.gateway, message("sealed.example"));
  auto const subject = subject_in(message("sealed.example"));
  CHECK(tenants.destroy(subject) == 1);
  CHECK(tenants.destroy(subject) == 0);
  CHECK_THROWS_AS(late.opened(tenants.chat, event), KeyDestroyed);
  CHECK(tenants.number("SELECT count(*) FROM pipeline.subject_keys WHERE destroyed_at IS NOT NULL"
                       " AND wrapped_key IS NULL") == 1);

  // Who has the key in memory drops it when the erasure shows the person.
  CHECK_NOTHROW(static_cast<void>(gateway.opened(tenants.gateway, event)));
  {
    pqxx::nontransaction transaction{tenants.gdpr};
    transaction.exec("SELECT pipeline.begin_erasure($1::uuid, 'sealed.example', $2::text[])",
                     pqxx::params{to_string(random_uuid()), std::vector{subject.text()}});
  }
  gateway.refresh(tenants.gateway);
  CHECK_THROWS_AS(gateway.opened(tenants.gateway, event), KeyDestroyed);

  SUBCASE("a person who comes back has a new key, and the old one stays destroyed") {
    auto const again = gateway.sealed(tenants.gateway, message("sealed.example"));
    CHECK(late.opened(tenants.chat, again) == message("sealed.example"));
    CHECK_THROWS_AS(late.opened(tenants.chat, event), KeyDestroyed);
    CHECK(tenants.number("SELECT count(*) FROM pipeline.subject_keys") == 2);
  }
}

TEST_CASE("a reader of a newer key seals with it, although it had the older one in memory") {
  Tenants tenants;
  SealingProcess gateway{tenants.gateway};
  SealingProcess chat{tenants.chat};
  auto const before = gateway.sealed(tenants.gateway, message("sealed.example"));
  chat.opened(tenants.chat, before);
  tenants.destroy(subject_in(message("sealed.example")));
  SealingProcess other_gateway{tenants.gateway};
  auto const after = other_gateway.sealed(tenants.gateway, message("sealed.example"));
  chat.opened(tenants.chat, after);
  auto const planned = chat.plan(message_type, message("sealed.example"), "", "").value();
  CHECK(after.data.find(to_string(chat.at_hand(planned)->key_id)) != std::string::npos);
}

TEST_CASE("an id that was never there is named, and is no erased person's") {
  Tenants tenants;
  SealingProcess gateway{tenants.gateway};
  SealingProcess chat{tenants.chat};
  auto const event = gateway.sealed(tenants.gateway, message("sealed.example"));
  auto const id = event.data.substr(event.data.find("sealed:v1:") + 10, 36);
  tenants.execute("TRUNCATE pipeline.subject_keys");
  CHECK_THROWS_WITH_AS(chat.opened(tenants.chat, event), doctest::Contains(id.c_str()), KeyUnavailable);
}

TEST_CASE("a wrong master key is an outage that names the key and the settings") {
  Tenants tenants;
  SealingProcess gateway{tenants.gateway};
  auto const event = gateway.sealed(tenants.gateway, message("sealed.example"));
  SealingProcess wrong{tenants.chat, master_keys("quite another master key")};
  CHECK_THROWS_WITH_AS(wrong.opened(tenants.chat, event), doctest::Contains("PII_MASTER_KEY_PREVIOUS"), KeyUnavailable);
  CHECK_THROWS_AS(wrong.sealed(tenants.chat, message("sealed.example")), KeyUnavailable);
  SealingProcess without{tenants.chat, MasterKeys{}};
  CHECK_THROWS_WITH_AS(without.sealed(tenants.chat, message("sealed.example", "s2")),
                       doctest::Contains("PII_MASTER_KEY"), KeyUnavailable);
  CHECK(without.sealed(tenants.chat, message("clear.example")).data == message("clear.example"));
}

TEST_CASE("a process does not start without the keys that sealed tenants need") {
  Tenants tenants;
  SealingProcess gateway{tenants.gateway};
  gateway.sealed(tenants.gateway, message("sealed.example"));
  CHECK_NOTHROW(Sealer{master_keys()}.require_keys(tenants.chat));
  CHECK_NOTHROW(Sealer(master_keys("a new master key", "the first master key")).require_keys(tenants.chat));
  CHECK_THROWS_WITH_AS(Sealer{MasterKeys{}}.require_keys(tenants.chat), doctest::Contains("set PII_MASTER_KEY"),
                       config::ConfigError);
  CHECK_THROWS_WITH_AS(Sealer{master_keys("quite another master key")}.require_keys(tenants.chat),
                       doctest::Contains("PII_MASTER_KEY_PREVIOUS"), config::ConfigError);
  tenants.execute("UPDATE tenants SET settings = '{}'");
  CHECK_NOTHROW(Sealer{MasterKeys{}}.require_keys(tenants.chat));
}

TEST_CASE("a sealed text that was changed, moved or exchanged is broken, and the field is named") {
  Tenants tenants;
  SealingProcess gateway{tenants.gateway};
  auto event = gateway.sealed(tenants.gateway, message("sealed.example"));
  auto const refused = [&] {
    CHECK_THROWS_WITH_AS(gateway.opened(tenants.gateway, event), doctest::Contains("/text"), SealBroken);
  };
  SUBCASE("in another event") {
    event.envelope.id = "another";
    refused();
  }
  SUBCASE("changed") {
    auto& last = event.data[event.data.size() - 4];
    last = last == 'A' ? 'B' : 'A';
    refused();
  }
  SUBCASE("cut") {
    event.data = R"({"domain":"sealed.example","session_id":"s1","text":"sealed:v1:"})";
    refused();
  }
}

TEST_CASE("a text that looks sealed is a text, whether its tenant is clear or sealed") {
  Tenants tenants;
  SealingProcess gateway{tenants.gateway};
  for (std::string const domain : {"clear.example", "sealed.example"}) {
    auto const data = fmt::format(
        R"({{"domain":"{}","session_id":"s","text":"sealed:v1:0190b5e8-5a6c-7cc5-a4f4-0f6f7e2b1a11:AAAA"}})", domain);
    auto const event = gateway.sealed(tenants.gateway, data);
    CHECK((event.envelope.sealed.empty() ? event.data : gateway.opened(tenants.gateway, event)) == data);
  }
}

TEST_CASE("all keys are wrapped again with the new master key, and open without the previous one") {
  Tenants tenants;
  SealingProcess gateway{tenants.gateway};
  std::vector<CloudEvent> events;
  for (auto const* const session : {"a", "b", "c", "d", "e"})
    events.push_back(gateway.sealed(tenants.gateway, message("sealed.example", session)));
  tenants.destroy(subject_in(message("sealed.example", "c")));

  auto const both = master_keys("a new master key", "the first master key");
  pqxx::connection operating{tenants.database.url_as("operator")};
  std::optional<Uuid> after;
  std::size_t count = 0;
  for (;;) {
    pqxx::work transaction{operating};
    auto const done = rewrap_keys(transaction, both, both.ids()[1], after, 2);
    if (!done) break;
    count += done->domains.size();
    after = done->last;
    transaction.commit();
  }
  CHECK(count == 4);
  SealingProcess renewed{tenants.chat, master_keys("a new master key")};
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (i == 2)
      CHECK_THROWS_AS(renewed.opened(tenants.chat, events[i]), KeyDestroyed);
    else
      CHECK(renewed.opened(tenants.chat, events[i]).find(canary) != std::string::npos);
  }
}

TEST_CASE("only the gdpr worker destroys keys, and only the operator rewraps and audits") {
  Tenants tenants;
  for (auto const* const role : {"chat", "gateway", "operator", "readonly", "replay"}) {
    pqxx::connection connection{tenants.database.url_as(role)};
    CHECK_THROWS_AS(pqxx::nontransaction{connection}.exec("SELECT pipeline.destroy_subject_keys('{}')"),
                    pqxx::insufficient_privilege);
    CHECK_THROWS_AS(pqxx::nontransaction{connection}.exec("SELECT * FROM pipeline.subject_keys"),
                    pqxx::insufficient_privilege);
  }
  pqxx::connection operating{tenants.database.url_as("operator")};
  pqxx::work transaction{operating};
  audit_sealing(transaction, "sealed.example", "cli:ada", "sealing.opened", R"({"topic":"chat.messages"})");
  CHECK_THROWS_AS(pqxx::nontransaction{tenants.chat}.exec(
                      "SELECT pipeline.audit_sealing('sealed.example', 'a', 'sealing.opened', '{}')"),
                  pqxx::insufficient_privilege);
}
