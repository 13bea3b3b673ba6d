// Consents, as the chat worker stores them and as they are asked for, in a migrated database.
#include "engine/commit/handler_unit.hpp"
#include "events/conversation.hpp"
#include "handler/failure.hpp"
#include "tests/common/postgres/database_fixture.hpp"
#include "workers/chat/store.hpp"

#include <string>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

using namespace omnibus;
using namespace omnibus::chat;

namespace {

constexpr auto domain = "shop.example";
constexpr auto session = "s1";

/// A visitor of a tenant that asks for consent.
class Visitor {
 public:
  Visitor() {
    database.add_tenant(domain);
    set_required(true);
  }
  void set_required(bool required) const {
    execute(std::string{R"(UPDATE tenants SET settings = '{"privacy_preferences": {"consent_required": )"} +
            (required ? "true" : "false") + "}}'");
  }
  static ChatConsentRecorded consent(ConsentPurposes purposes) { return {domain, session, purposes, "service"}; }

  void record(ChatConsentRecorded const& consent, Uuid const& event = random_uuid(), std::string_view role = "chat") {
    pqxx::connection connection{database.url_as(role)};
    pqxx::work transaction{connection};
    postgres::Gathered gathered;
    postgres::OpenUnit inner{transaction, gathered};
    auto const parent = originate("/test", ChatConsentRecorded::type);
    engine::HandlerUnit unit{inner, engine::EventMaker{parent, "chat"}};
    store_.record_consent(unit, consent, event);
    transaction.commit();
  }
  void record(ConsentPurposes purposes) { record(consent(purposes)); }

  bool may_chat(std::string_view role = "chat", Uuid const& id = conversation_id_of(domain, session)) const {
    pqxx::connection connection{database.url_as(role)};
    pqxx::work transaction{connection};
    transaction.exec("SELECT set_config('app.tenant', 'shop.example', true)");
    return transaction.query_value<bool>("SELECT chat_is_allowed('shop.example', '" + to_string(id) + "')");
  }
  void execute(std::string const& sql) const {
    pqxx::connection connection{database.url()};
    pqxx::nontransaction{connection}.exec(sql);
  }
  std::string ask(std::string const& query, std::string_view role = {}) const {
    pqxx::connection connection{role.empty() ? database.url() : database.url_as(role)};
    return pqxx::nontransaction{connection}.query_value<std::string>(query);
  }
  std::string consented() const { return ask("SELECT count(*) FROM consented_conversations", "readonly"); }
  void begin_conversation(Uuid const& id = conversation_id_of(domain, session)) const {
    execute("INSERT INTO conversations (id, domain, session_id) VALUES ('" + to_string(id) +
            "', 'shop.example', 's1')");
  }

  omnibus::test::TestDatabase database;

 private:
  PostgresConversations store_;
};

}  // namespace

TEST_CASE("chat is allowed by the newest word on processing, for the worker and for the gateway") {
  Visitor visitor;
  for (auto const* role : {"chat", "gateway"}) {
    CHECK_FALSE(visitor.may_chat(role));
    visitor.record({true});
    CHECK(visitor.may_chat(role));
    visitor.record({{}, true, true, true});  // says nothing of processing
    CHECK(visitor.may_chat(role));
    visitor.record({false});
    CHECK_FALSE(visitor.may_chat(role));
  }
}

TEST_CASE("a tenant that asks for no consent lets everybody chat") {
  Visitor visitor;
  visitor.record({false});
  visitor.set_required(false);
  CHECK(visitor.may_chat());
  visitor.execute("UPDATE tenants SET settings = '{}'");
  CHECK(visitor.may_chat());
}

TEST_CASE("another visitor's consent is not this one's") {
  Visitor visitor;
  visitor.record({true});
  CHECK_FALSE(visitor.may_chat("chat", conversation_id_of(domain, "s2")));
}

TEST_CASE("a visitor is known by the conversation that the session has") {
  Visitor visitor;
  auto const id = random_uuid();
  visitor.begin_conversation(id);
  visitor.record({true});
  CHECK(visitor.may_chat("chat", id));
  CHECK_FALSE(visitor.may_chat());
}

TEST_CASE("a consent is stored once for its event, and in a replay too") {
  Visitor visitor;
  auto const event = random_uuid();
  ConsentPurposes const purposes{true, false};
  visitor.record(Visitor::consent(purposes), event);
  visitor.record(Visitor::consent(purposes), event);
  CHECK(visitor.ask("SELECT count(*) FROM consents") == "2");
  visitor.record({false});
  visitor.record(Visitor::consent(purposes), event, "replay");
  CHECK_FALSE(visitor.may_chat());
  visitor.execute("DELETE FROM consents");
  visitor.record(Visitor::consent(purposes), event, "replay");
  CHECK(visitor.may_chat());
}

TEST_CASE("each word is newer than the one before, even if the clock was set back") {
  Visitor visitor;
  visitor.record({true});
  visitor.execute("UPDATE consents SET created_at = now() + interval '1 hour'");
  visitor.record({false});
  CHECK_FALSE(visitor.may_chat());
}

TEST_CASE("analytics read the conversations whose visitor consents to it, and no others") {
  Visitor visitor;
  visitor.begin_conversation();
  CHECK(visitor.consented() == "0");
  visitor.record({true});
  CHECK(visitor.consented() == "0");
  visitor.record({{}, true});
  CHECK(visitor.consented() == "1");
  SUBCASE("until it is taken back") {
    visitor.record({{}, false});
    CHECK(visitor.consented() == "0");
  }
  SUBCASE("also by the visitor's own key, once the conversation has it") {
    visitor.execute("UPDATE consents SET subject_key = repeat('a', 32)");
    CHECK(visitor.consented() == "0");
    visitor.execute("UPDATE conversations SET subject_key = repeat('a', 32)");
    CHECK(visitor.consented() == "1");
  }
}

TEST_CASE("a consent that a person of the team recorded is audited, once, without any text") {
  Visitor visitor;
  auto consent = Visitor::consent({true, false});
  consent.source = "operator";
  visitor.record(consent);
  CHECK(visitor.ask("SELECT count(*) FROM gdpr_audit_log") == "0");
  consent.recorded_by = random_uuid();
  auto const event = random_uuid();
  visitor.record(consent, event);
  visitor.record(consent, event);
  CHECK(visitor.ask("SELECT string_agg(actor || ' ' || action || ' ' || payload, ',') FROM gdpr_audit_log") ==
        to_string(*consent.recorded_by) +
            R"( consent.recorded {"purposes": {"analytics": false, "processing": true}})");
}

TEST_CASE("a consent of an unknown tenant is refused for good") {
  Visitor visitor;
  auto consent = Visitor::consent({true});
  consent.domain = "unknown.example";
  CHECK_THROWS_AS(visitor.record(consent), Failure);
}
