// Principals in the database: what became of tokens of before, and what row-level security shows to whom.
#include "database_fixture.hpp"
#include "postgres/migrations.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::postgres;

namespace {

std::string text_of(pqxx::transaction_base& transaction, std::string const& sql) {
  std::string text;
  for (auto const& row : transaction.exec(sql)) {
    if (!text.empty()) text += ", ";
    text += row[0].c_str();
  }
  return text;
}

/// A caller's session as the gateway's role, within one transaction.
struct Session {
  Session(std::string const& url, std::string const& tenant, std::string const& role)
      : connection{url}, transaction{connection} {
    transaction.exec("SELECT set_config('app.tenant', $1, true), set_config('app.role', $2, true)",
                     pqxx::params{tenant, role});
  }
  std::string read(std::string const& sql) { return text_of(transaction, sql); }

  pqxx::connection connection;
  pqxx::work transaction;
};

}  // namespace

TEST_CASE("tokens of before keep their rights: a tenant's as a service, an operator's for all tenants") {
  test::EmptyDatabase database;
  test::TestDatabase keeps_the_roles;
  auto const migrations = load_migrations(default_migrations_folder());
  auto const ours = std::find_if(migrations.begin(), migrations.end(),
                                 [](auto const& each) { return each.file.find("_principals") != std::string::npos; });
  REQUIRE(ours != migrations.end());
  pqxx::connection connection{database.url()};
  REQUIRE(Migrator(connection, {migrations.begin(), ours}).up() > 0);
  pqxx::nontransaction query{connection};
  query.exec(R"(
    INSERT INTO tenants (domain, status) VALUES ('a.example', 'active'), ('b.example', 'suspended');
    INSERT INTO api_tokens (token_sha256, domain, role, revoked_at)
    VALUES (sha256('tenant'), 'a.example', 'tenant', NULL), (sha256('operator'), 'a.example', 'operator', NULL),
           (sha256('revoked'), 'a.example', 'tenant', now()), (sha256('of b'), 'b.example', 'tenant', NULL),
           (sha256('operator of b'), 'b.example', 'operator', NULL))");
  query.commit();
  auto const up_to_ours = std::vector<Migration>(migrations.begin(), ours + 1);
  Migrator migrator{connection, up_to_ours};
  REQUIRE(migrator.up() == 1);

  auto const who = [&](std::string const& token) {
    pqxx::nontransaction asking{connection};
    return text_of(asking, "SELECT COALESCE(domain, 'all') || ' ' || role FROM authenticate(sha256('" + token + "'))");
  };
  CHECK(who("tenant") == "a.example service");
  CHECK(who("operator") == "all operator");
  CHECK(who("revoked").empty());
  CHECK(who("of b").empty());
  CHECK(who("operator of b").empty());  // it had been refused, too
  pqxx::nontransaction{connection}.exec("UPDATE tenants SET status = 'active'");
  CHECK(who("of b") == "b.example service");
  CHECK(who("operator of b").empty());

  // Back: what could be said then stays.
  CHECK(migrator.down(1) == 1);
  pqxx::nontransaction before{connection};
  CHECK(text_of(before, "SELECT domain || ' ' || role || ' ' || (revoked_at IS NULL) FROM api_tokens ORDER BY 1") ==
        "a.example tenant false, a.example tenant true, b.example tenant true");
}

TEST_CASE("an e-mail address is one person's, in whatever case, and has the form of one") {
  test::TestDatabase database;
  pqxx::connection connection{database.url()};
  pqxx::nontransaction query{connection};
  auto const add = [&](std::string const& email) {
    query.exec("INSERT INTO principals (role, kind, name, email) VALUES ('admin', 'person', 'A', $1)",
               pqxx::params{email});
  };
  add("ada@example.org");
  CHECK_THROWS_AS(add("Ada@Example.ORG"), pqxx::unique_violation);
  for (auto const* const email : {"", "ada", "@", "a@", "@b", "a b@c", "a@b@c", "a@b\nc"}) {
    CAPTURE(email);
    CHECK_THROWS_AS(add(email), pqxx::check_violation);
  }
}

TEST_CASE(
    "an operator or admin of one tenant sees that tenant alone, one of the installation all or the one it names") {
  test::TestDatabase database;
  {
    pqxx::connection admin{database.url()};
    pqxx::nontransaction{admin}.exec(R"(
      INSERT INTO tenants (domain) VALUES ('a.example'), ('b.example');
      INSERT INTO principals (domain, role, kind, name) SELECT domain, 'agent', 'person', domain FROM tenants;
      INSERT INTO principals (role, kind, name) VALUES ('operator', 'person', 'all');
      INSERT INTO api_tokens (token_sha256, principal_id, name) SELECT sha256(name::bytea), id, name FROM principals;
      INSERT INTO access_log (domain, action, object, result)
      SELECT domain, 'x', name, 'allowed' FROM principals;
      INSERT INTO chat_telemetry_domain_rollups (granularity, bucket_start, domain, calls, successes, failures,
        input_tokens, output_tokens, cost_usd, duration_sum_ms, duration_hist)
      SELECT '1d', '2026-11-29', domain, 1, 1, 0, 0, 0, 0, 0, '{}' FROM tenants)");
  }
  auto const url = database.url_as("gateway");
  auto const sees = [&](std::string const& tenant, std::string const& role) {
    Session session{url, tenant, role};
    auto const seen = session.read("SELECT name FROM principals ORDER BY 1");
    CHECK(session.read("SELECT name FROM api_tokens ORDER BY 1") == seen);
    CHECK(session.read("SELECT object FROM access_log ORDER BY 1") == seen);
    auto const domains = session.read("SELECT domain FROM chat_telemetry_domain_rollups ORDER BY 1");
    CHECK(domains == (seen == "a.example, all, b.example" ? "a.example, b.example" : seen));
    return seen;
  };
  for (auto const* const role : {"visitor", "agent", "operator", "admin", "service"}) {
    CAPTURE(role);
    CHECK(sees("a.example", role) == "a.example");
  }
  for (auto const* const role : {"operator", "admin"}) CHECK(sees("", role) == "a.example, all, b.example");
  for (auto const* const role : {"visitor", "agent", "service", "omnibus", ""}) {
    CAPTURE(role);
    CHECK(sees("", role).empty());
  }
}

TEST_CASE("no policy shows the gateway rows for the caller's role alone, whatever the tenant") {
  test::TestDatabase database;
  pqxx::connection connection{database.url()};
  pqxx::nontransaction query{connection};
  // Most holders of a role belong to one tenant: only the function that looks at both may open all tenants' rows,
  // unless a restrictive policy holds the table to one tenant.
  CHECK(text_of(query,
                "SELECT polrelid::regclass || '.' || polname FROM pg_policy p "
                "WHERE pg_get_expr(polqual, polrelid) || COALESCE(pg_get_expr(polwithcheck, polrelid), '') "
                "LIKE '%app.role%' AND NOT EXISTS (SELECT FROM pg_policy r "
                "WHERE r.polrelid = p.polrelid AND NOT r.polpermissive)")
            .empty());
  CHECK(query.query_value<int>("SELECT count(*) FROM pg_policy WHERE pg_get_expr(polqual, polrelid) "
                               "LIKE '%acts_for_all_tenants%'") >= 7);
}

TEST_CASE("the gateway adds to the access log and changes nothing in it, and no other tenant's") {
  test::TestDatabase database;
  database.add_tenant("a.example");
  database.add_tenant("b.example");
  auto const attempt = [&](std::string const& sql) {
    Session session{database.url_as("gateway"), "a.example", "agent"};
    session.transaction.exec(sql);
  };
  CHECK_NOTHROW(attempt("INSERT INTO access_log (domain, action, result) VALUES ('a.example', 'x', 'allowed')"));
  for (auto const* const sql : {"INSERT INTO access_log (domain, action, result) VALUES ('b.example', 'x', 'allowed')",
                                "INSERT INTO access_log (action, result) VALUES ('x', 'allowed')",
                                "UPDATE access_log SET result = 'allowed'", "DELETE FROM access_log",
                                "INSERT INTO principals (domain, role, kind, name) VALUES ('a.example', 'admin', "
                                "'person', 'me')",
                                "UPDATE principals SET role = 'admin'", "UPDATE api_tokens SET revoked_at = NULL"}) {
    CAPTURE(sql);
    CHECK_THROWS_AS(attempt(sql), pqxx::insufficient_privilege);
  }
}

TEST_CASE("omnibus_admin manages tenants, principals and tokens, and reads nothing of the conversations") {
  test::TestDatabase database;
  pqxx::connection connection{database.url_as("admin")};
  {
    pqxx::work managing{connection};
    managing.exec(R"(
      INSERT INTO tenants (domain) VALUES ('a.example');
      UPDATE tenants SET status = 'suspended';
      INSERT INTO principals (domain, role, kind, name, password_hash) VALUES ('a.example', 'admin', 'person', 'A', 'x');
      UPDATE principals SET disabled_at = now();
      INSERT INTO api_tokens (token_sha256, principal_id) SELECT sha256('t'), id FROM principals;
      UPDATE api_tokens SET revoked_at = now();
      INSERT INTO access_log (domain, action, result) VALUES ('a.example', 'token.create', 'allowed'))");
    CHECK(text_of(managing, "SELECT count(*) FROM tenants, principals, api_tokens, access_log") == "1");
  }
  for (auto const* const sql : {"SELECT FROM messages", "SELECT FROM conversations", "SELECT FROM profiles",
                                "SELECT FROM pipeline.inbox", "DELETE FROM principals", "DELETE FROM tenants"}) {
    CAPTURE(sql);
    pqxx::work attempt{connection};
    CHECK_THROWS_AS(attempt.exec(sql), pqxx::insufficient_privilege);
  }
}
