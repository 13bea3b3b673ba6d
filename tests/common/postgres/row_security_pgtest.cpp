#include "database_fixture.hpp"

#include <doctest/doctest.h>

using namespace omnibus;

namespace {

/// Two tenants, each with a principal and its token, a conversation, a message and an idempotency key.
struct TwoTenants {
  TwoTenants() {
    pqxx::connection admin{database.url()};
    pqxx::nontransaction{admin}.exec(R"(
      INSERT INTO tenants (domain) VALUES ('a.example'), ('b.example');
      INSERT INTO principals (domain, role, kind, name) SELECT domain, 'service', 'machine', 'shop' FROM tenants;
      INSERT INTO api_tokens (token_sha256, principal_id) SELECT sha256(domain::bytea), id FROM principals;
      INSERT INTO access_log (domain, action, result) SELECT domain, 'role.check', 'refused' FROM tenants;
      INSERT INTO conversations (domain, session_id) SELECT domain, 's' FROM tenants;
      INSERT INTO messages (conversation_id, seq, role, content) SELECT id, 1, 'user', domain FROM conversations;
      INSERT INTO pipeline.idempotency_keys (domain, key_hash, body_hash, event_id)
      SELECT domain, sha256('k'), sha256('b'), gen_random_uuid() FROM tenants;)");
  }

  test::TestDatabase database;
};

int count(pqxx::transaction_base& transaction, std::string const& from) {
  return transaction.query_value<int>("SELECT count(*) FROM " + from);
}

bool is_refused(std::string const& url, std::string const& sql) {
  pqxx::connection connection{url};
  pqxx::work transaction{connection};
  try {
    transaction.exec(sql);
    return false;
  } catch (pqxx::insufficient_privilege const&) {
    return true;
  }
}

std::string const tables[] = {
    "tenants", "principals", "api_tokens", "access_log", "conversations", "messages", "pipeline.idempotency_keys"};

}  // namespace

TEST_CASE("every table with a tenant in it, or of rows that belong to one, has row security forced") {
  test::TestDatabase database;
  pqxx::connection connection{database.url()};
  pqxx::nontransaction query{connection};
  // A tenant's table has a column `domain`; its own tables refer to it by a foreign key, to any depth.
  auto const rows = query.exec(R"(
    WITH RECURSIVE of_tenant(oid) AS (
      SELECT c.oid FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
      WHERE a.attname = 'domain' AND NOT a.attisdropped AND c.relkind IN ('r', 'p')
        AND c.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
      UNION
      SELECT k.conrelid FROM of_tenant t JOIN pg_constraint k ON k.confrelid = t.oid AND k.contype = 'f')
    SELECT c.oid::regclass::text, c.relrowsecurity AND c.relforcerowsecurity,
           EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)
    FROM of_tenant JOIN pg_class c USING (oid))");
  CHECK(rows.size() >= 5);
  for (auto const& row : rows) {
    CAPTURE(row[0].view());
    CHECK(row[1].as<bool>());  // forced
    CHECK(row[2].as<bool>());  // has a policy
  }
}

TEST_CASE("no role of ours is exempt from row security, and none but the tables' owner may create anything") {
  test::TestDatabase database;
  pqxx::connection connection{database.url()};
  pqxx::nontransaction query{connection};
  CHECK(count(query, "pg_roles WHERE rolname LIKE 'omnibus_%'") > 4);
  CHECK(count(query, "pg_roles WHERE rolname LIKE 'omnibus_%' AND (rolsuper OR rolbypassrls OR rolcreaterole)") == 0);
  CHECK(count(query, "pg_roles WHERE rolname = 'omnibus_owner' AND rolcanlogin") == 0);
  CHECK(count(query,
              "pg_roles r, pg_namespace n WHERE r.rolname LIKE 'omnibus_%' AND r.rolname <> 'omnibus_owner' AND "
              "has_schema_privilege(r.oid, n.oid, 'CREATE') AND n.nspname IN ('public', 'pipeline')") == 0);
}

TEST_CASE("the gateway sees the tenant it names, and without one nothing") {
  TwoTenants tenants;
  pqxx::connection gateway{tenants.database.url_as("gateway")};
  // Twice on one connection: a transaction-local setting reads as '' and not as null once it was used.
  for (int round = 0; round < 2; ++round) {
    for (auto const& table : tables) {
      CAPTURE(table);
      {
        pqxx::work nobody{gateway};
        CHECK(count(nobody, table) == 0);
      }
      pqxx::work somebody{gateway};
      somebody.exec("SELECT set_config('app.tenant', 'a.example', true)");
      CHECK(count(somebody, table) == 1);
    }
  }
  pqxx::work transaction{gateway};
  transaction.exec("SELECT set_config('app.tenant', 'b.example', true)");
  CHECK(transaction.query_value<std::string>("SELECT content FROM messages") == "b.example");
  CHECK(transaction.query_value<std::string>("SELECT domain FROM conversations") == "b.example");
}

TEST_CASE("the gateway cannot write for a tenant it did not name") {
  TwoTenants tenants;
  pqxx::connection gateway{tenants.database.url_as("gateway")};
  auto const insert = [&](std::string const& domain) {
    pqxx::work transaction{gateway};
    transaction.exec("SELECT set_config('app.tenant', 'a.example', true)");
    transaction.exec(
        "INSERT INTO pipeline.idempotency_keys (domain, key_hash, body_hash, event_id) VALUES ($1, sha256('new'), "
        "sha256('b'), gen_random_uuid())",
        pqxx::params{domain});
    CHECK(transaction.exec("UPDATE pipeline.idempotency_keys SET state = 'published'").affected_rows() == 2);
  };
  CHECK_NOTHROW(insert("a.example"));
  CHECK_THROWS_AS(insert("b.example"), pqxx::insufficient_privilege);
}

TEST_CASE("the gateway learns whose a token is, and cannot list tokens") {
  TwoTenants tenants;
  auto const url = tenants.database.url_as("gateway");
  pqxx::connection gateway{url};
  auto const owner_of = [&](std::string const& token) {
    pqxx::nontransaction query{gateway};
    auto const rows = query.exec("SELECT domain, role FROM authenticate(sha256($1::bytea))", pqxx::params{token});
    return rows.empty() ? std::string{"nobody"} : rows[0][0].as<std::string>() + ' ' + rows[0][1].as<std::string>();
  };
  CHECK(owner_of("a.example") == "a.example service");
  CHECK(owner_of("another") == "nobody");
  {
    pqxx::connection admin{tenants.database.url()};
    pqxx::nontransaction change{admin};
    change.exec("UPDATE api_tokens SET revoked_at = now() WHERE token_sha256 = sha256('a.example')");
    change.exec("UPDATE tenants SET status = 'suspended' WHERE domain = 'b.example'");
  }
  CHECK(owner_of("a.example") == "nobody");
  CHECK(owner_of("b.example") == "nobody");
  CHECK(is_refused(url, "SELECT token_sha256 FROM api_tokens"));
  CHECK(is_refused(url, "SELECT password_hash FROM principals"));
}

TEST_CASE("workers and the read-only role see every tenant, and the owner is held by its policies too") {
  TwoTenants tenants;
  for (auto const* role : {"chat", "replay", "readonly", "owner"}) {
    CAPTURE(role);
    pqxx::connection connection{tenants.database.url_as(role)};
    pqxx::nontransaction query{connection};
    for (auto const* table : {"tenants", "conversations", "messages"}) CHECK(count(query, table) == 2);
  }
}

TEST_CASE("each role may do its work and no more") {
  TwoTenants tenants;
  auto const url = [&](std::string_view role) { return tenants.database.url_as(role); };
  CHECK(is_refused(url("chat"), "SELECT id FROM api_tokens"));
  CHECK(is_refused(url("chat"), "SELECT id FROM principals"));
  CHECK(is_refused(url("chat"), "SELECT 1 FROM pipeline.idempotency_keys"));
  CHECK(is_refused(url("chat"), "SELECT * FROM authenticate('x')"));
  CHECK(is_refused(url("chat"), "DELETE FROM messages"));
  CHECK(is_refused(url("chat"), "DELETE FROM pipeline.inbox"));
  CHECK(is_refused(url("chat"), "INSERT INTO tenants (domain) VALUES ('c')"));
  CHECK(is_refused(url("gateway"), "INSERT INTO pipeline.outbox (consumer) VALUES ('x')"));
  CHECK(is_refused(url("gateway"), "UPDATE conversations SET status = 'open'"));
  CHECK(is_refused(url("relay"), "SELECT 1 FROM messages"));
  CHECK(is_refused(url("relay"), "INSERT INTO pipeline.outbox (consumer) VALUES ('x')"));
  CHECK(is_refused(url("replay"),
                   "INSERT INTO pipeline.outbox (consumer, source_topic, source_partition, topic) "
                   "VALUES ('chat', 't', 0, 't')"));
  CHECK(is_refused(url("replay"), "SELECT pipeline.prune_inbox('chat', '1 year', 1)"));
  CHECK_FALSE(is_refused(url("chat"), "SELECT pipeline.prune_inbox('chat', '1 year', 1)"));
  CHECK(is_refused(url("replay"), "UPDATE pipeline.outbox SET topic = 'x'"));
  CHECK(is_refused(url("replay"), "DELETE FROM pipeline.outbox"));
  CHECK(is_refused(url("replay"), "INSERT INTO pipeline.llm_responses SELECT"));
  CHECK(is_refused(url("replay"), "UPDATE conversations SET takeover_epoch = 9"));
  CHECK(is_refused(url("replay"), "UPDATE conversations SET owner_id = NULL"));
  CHECK(is_refused(url("replay"), "DELETE FROM messages"));
  CHECK(is_refused(url("replay"), "DELETE FROM pipeline.forgotten"));
  CHECK_FALSE(is_refused(url("replay"), "UPDATE conversations SET last_message_at = now()"));
  CHECK(is_refused(url("readonly"), "SELECT token_sha256 FROM api_tokens"));
  CHECK(is_refused(url("readonly"), "INSERT INTO messages SELECT"));
  CHECK(is_refused(url("readonly"), "UPDATE pipeline.fence SET epoch = 9"));
  CHECK(is_refused(url("readonly"), "SELECT password_hash FROM principals"));
  CHECK_FALSE(is_refused(url("readonly"),
                         "SELECT domain, role, revoked_at FROM api_tokens k "
                         "JOIN principals p ON p.id = k.principal_id"));
  CHECK_FALSE(is_refused(url("readonly"), "SELECT 1 FROM pipeline.inbox, pipeline.outbox, pipeline.fence"));
}

TEST_CASE("a replay cannot bring back what was deleted, and can what was lost") {
  TwoTenants tenants;
  pqxx::connection admin{tenants.database.url()};
  pqxx::nontransaction change{admin};
  auto const replay = tenants.database.url_as("replay");
  auto const conversation = [](std::string const& last) {
    return "INSERT INTO conversations (id, domain, session_id) VALUES ('00000000-0000-5000-8000-00000000000" + last +
           "', 'a.example', 'replayed-" + last + "')";
  };
  auto const message = [](std::string const& last) {
    return "INSERT INTO messages (conversation_id, seq, role, content, source_event_id) VALUES "
           "('00000000-0000-5000-8000-000000000001', " +
           last + ", 'user', 'hello', '00000000-0000-5000-8000-0000000000a" + last + "')";
  };
  auto const is_refused = [](std::string const& url, std::string const& sql) {
    pqxx::connection connection{url};
    pqxx::nontransaction statement{connection};
    try {
      statement.exec(sql);
      return false;
    } catch (pqxx::insufficient_privilege const&) {
      return true;
    }
  };
  CHECK_FALSE(is_refused(replay, conversation("1")));
  for (auto const* const seq : {"1", "2"}) CHECK_FALSE(is_refused(replay, message(seq)));
  change.exec("DELETE FROM messages WHERE source_event_id = '00000000-0000-5000-8000-0000000000a1'");
  CHECK(is_refused(replay, message("1")));
  CHECK_FALSE(is_refused(tenants.database.url_as("chat"), message("3")));
  change.exec("TRUNCATE conversations, messages");
  CHECK_FALSE(is_refused(replay, conversation("1")));
  CHECK_FALSE(is_refused(replay, message("2")));
  change.exec("DELETE FROM conversations");  // and with them their messages
  CHECK(is_refused(replay, conversation("1")));
  CHECK_FALSE(is_refused(tenants.database.url_as("chat"), conversation("1")));
  CHECK(is_refused(replay, message("2")));
  CHECK(is_refused(replay, message("4")));  // of a conversation that was deleted, whoever made it anew
}
