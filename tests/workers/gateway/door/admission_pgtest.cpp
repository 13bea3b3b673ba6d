#include "tests/common/postgres/database_fixture.hpp"
#include "workers/gateway/door/admission.hpp"
#include "workers/gateway/door/refusal.hpp"
#include "workers/gateway/door/token_watch.hpp"
#include "workers/gateway/store.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <doctest/doctest.h>
#include <pqxx/pqxx>

using namespace omnibus;
using namespace omnibus::gateway;
using namespace std::chrono_literals;

namespace {

/// A gateway's door before a database with two tenants. Tokens are not cached.
struct Door {
  test::TestDatabase database;
  pqxx::connection owner{database.url()};
  TransactionPool pool{[&] {
    PoolSettings settings;
    settings.url = database.url_as("gateway");
    settings.size = 2;
    return settings;
  }()};
  Store store{pool};
  Authentication authentication{store, 0ms};
  RateLimit rate_limit{0, 1};
  AccessLog access_log{store, "secret"};
  Admission admission{authentication, rate_limit, access_log};

  Door() { execute("INSERT INTO tenants (domain) VALUES ('shop.example'), ('bank.example')"); }

  void execute(std::string const& sql) { pqxx::nontransaction(owner).exec(sql); }
  std::string value(std::string const& sql) { return pqxx::nontransaction(owner).query_value<std::string>(sql); }

  /// Adds a token of that text; an empty domain: of the installation.
  void add_token(std::string_view token, std::string_view role, std::string_view domain) {
    pqxx::nontransaction(owner).exec(
        "WITH made AS (INSERT INTO principals (domain, role, kind, name) VALUES (NULLIF($3, ''), $2, 'machine', $1) "
        "RETURNING id) INSERT INTO api_tokens (token_sha256, principal_id) SELECT sha256($1::bytea), id FROM made",
        pqxx::params{token, role, domain});
  }

  template <class T>
  T get(Task<T> task) {
    boost::asio::io_context context;
    auto result = boost::asio::co_spawn(context, std::move(task), boost::asio::use_future);
    context.run();
    return result.get();
  }
  std::optional<Principal> principal(std::string_view token) { return get(store.principal(hash_token(token))); }

  http::Request request(std::string_view token, std::string target = "/v1/matches/7?user_id=secret") {
    http::Request request;
    request.method = "POST";
    request.target = std::move(target);
    request.peer = "192.0.2.7";
    request.headers.add("Authorization", "Bearer " + std::string(token));
    request.body = R"({"adminOverride":true,"role":"admin"})";
    return request;
  }
  /// The status of a request: 200 when it is admitted.
  int status(std::string_view token, Needs needs) {
    auto const asked = request(token);
    try {
      get(admission.admit(asked, needs));
      return 200;
    } catch (Refusal const& refusal) {
      return refusal.status;
    }
  }
};

}  // namespace

TEST_CASE_FIXTURE(Door, "a token says who it speaks for, of every role") {
  for (auto const* const role : {"visitor", "agent", "operator", "admin", "service"}) {
    CAPTURE(role);
    add_token(role, role, "shop.example");
    auto const caller = principal(role);
    REQUIRE(caller);
    CHECK(to_string(caller->role) == role);
    CHECK(caller->domain == "shop.example");
    CHECK(to_string(caller->id) == value("SELECT id FROM principals WHERE name = '" + std::string(role) + "'"));
    CHECK_FALSE(caller->person);
  }
  for (auto const* const role : {"operator", "admin"}) {
    auto const token = std::string("all ") + role;
    add_token(token, role, "");
    CHECK(principal(token)->acts_for_all());
  }
  for (auto const* const role : {"visitor", "agent", "service", "tenant", ""}) {
    CAPTURE(role);
    CHECK_THROWS_AS(add_token("x", role, ""), pqxx::check_violation);
  }
  CHECK_FALSE(principal("another"));
}

TEST_CASE_FIXTURE(Door,
                  "a token is refused once it is revoked or expired, its principal disabled or its tenant suspended") {
  add_token("t", "service", "shop.example");
  add_token("o", "operator", "");
  auto const refused_while = [&](std::string const& change, std::string const& undo) {
    CAPTURE(change);
    CHECK(principal("t"));
    execute(change);
    CHECK_FALSE(principal("t"));
    CHECK(status("t", at_least(Role::visitor)) == 401);
    CHECK(principal("o"));
    execute(undo);
  };
  auto const of_t = std::string(" WHERE token_sha256 = sha256('t')");
  refused_while("UPDATE api_tokens SET revoked_at = now()" + of_t, "UPDATE api_tokens SET revoked_at = NULL" + of_t);
  refused_while("UPDATE api_tokens SET expires_at = now()" + of_t,
                "UPDATE api_tokens SET expires_at = now() + interval '1 hour'" + of_t);
  refused_while("UPDATE principals SET disabled_at = now() WHERE name = 't'",
                "UPDATE principals SET disabled_at = NULL");
  refused_while("UPDATE tenants SET status = 'suspended'", "UPDATE tenants SET status = 'active'");
  CHECK(principal("t"));
}

TEST_CASE_FIXTURE(Door, "a stream's token is asked about again, and only a revoked one ends it") {
  using Clock = TokenWatch::Clock;
  add_token("t", "service", "shop.example");
  auto const asked = request("t");
  auto const begun = Clock::now();
  TokenWatch watch{admission, asked, begun};
  CHECK(get(watch.holds(begun + 11s)));
  execute("UPDATE api_tokens SET revoked_at = now()");
  CHECK(get(watch.holds(begun + 12s)));  // not due
  CHECK_FALSE(get(watch.holds(begun + 22s)));
  pool.close();
  CHECK(get(watch.holds(begun + 40s)));  // not known
}

TEST_CASE_FIXTURE(Door, "the use of a token is noted, at most once a minute") {
  auto const last_use = [&] { return value("SELECT COALESCE(last_used_at::text, 'never') FROM api_tokens"); };
  add_token("t", "service", "shop.example");
  CHECK(last_use() == "never");
  CHECK(principal("t"));
  auto const first = last_use();
  CHECK(first != "never");
  CHECK(principal("t"));
  CHECK(last_use() == first);
  execute("UPDATE api_tokens SET last_used_at = now() - interval '61 seconds'");
  CHECK(principal("t"));
  CHECK(value("SELECT last_used_at > now() - interval '10 seconds' FROM api_tokens") == "t");
}

TEST_CASE_FIXTURE(Door, "a role that is too low is refused and logged, whatever the body says of it") {
  add_token("a", "agent", "shop.example");
  CHECK(status("a", at_least(Role::operator_role)) == 403);
  CHECK(value("SELECT p.name || ' ' || l.domain || ' ' || action || ' ' || object || ' ' || result FROM access_log l "
              "JOIN principals p ON p.id = l.principal_id") == "a shop.example role.check POST /v1/matches/7 refused");
  CHECK(value("SELECT octet_length(ip_hash) FROM access_log") == "16");
  CHECK(status("a", at_least(Role::agent)) == 200);
  CHECK(status("a", service_or(Role::agent)) == 200);
  CHECK(value("SELECT count(*) FROM access_log") == "1");
}

TEST_CASE_FIXTURE(Door, "a refused request is logged in printable characters and not whole") {
  add_token("a", "agent", "shop.example");
  auto const asked = request("a", "/v1/\x01\xff\n" + std::string(2000, 'x'));
  CHECK_THROWS_AS(get(admission.admit(asked, at_least(Role::admin))), Refusal);
  CHECK(value("SELECT object FROM access_log").starts_with("POST /v1/???xx"));
  CHECK(value("SELECT length(object) FROM access_log") == "200");
}

TEST_CASE_FIXTURE(
    Door, "a role is refused also while the log cannot be written, and an operator of all is logged without a tenant") {
  add_token("o", "operator", "");
  CHECK(status("o", at_least(Role::admin)) == 403);
  CHECK(value("SELECT count(*) FROM access_log WHERE domain IS NULL") == "1");
  execute("REVOKE INSERT ON access_log FROM omnibus_gateway");
  CHECK(status("o", at_least(Role::admin)) == 403);
}

TEST_CASE_FIXTURE(Door, "an operator of all names the tenant of a read, one of a tenant may name only its own") {
  http::Request asked;
  Principal const of_all{"", Role::operator_role};
  Principal const of_shop{"shop.example", Role::operator_role};
  auto const status_of = [&](Principal const& caller) {
    try {
      return domain_of(caller, asked);
    } catch (Refusal const& refusal) {
      return std::to_string(refusal.status);
    }
  };
  CHECK(status_of(of_all) == "400");
  CHECK(status_of(of_shop) == "shop.example");
  asked.query = {{"domain", "bank.example"}};
  CHECK(status_of(of_all) == "bank.example");
  CHECK(status_of(of_shop) == "404");
  asked.query = {{"domain", ""}};
  CHECK(status_of(of_shop) == "404");
  CHECK_NOTHROW(get(require_tenant(store, of_all, "bank.example")));
  CHECK_THROWS_AS(get(require_tenant(store, of_all, "nobody.example")), Refusal);
  CHECK_THROWS_AS(get(require_tenant(store, of_all, "")), Refusal);
  CHECK_THROWS_AS(get(require_tenant(store, of_shop, "bank.example")), Refusal);
}

TEST_CASE_FIXTURE(Door,
                  "a transaction carries tenant, role and principal, and the next on its connection none of them") {
  add_token("a", "agent", "shop.example");
  auto const caller = *principal("a");
  execute(
      "CREATE FUNCTION record_caller() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.object := "
      "current_setting('app.tenant') || ' ' || current_setting('app.role') || ' ' || current_setting('app.principal'); "
      "RETURN NEW; END $$;"
      "CREATE TRIGGER record_caller BEFORE INSERT ON access_log FOR EACH ROW EXECUTE FUNCTION record_caller()");
  get(store.log_access(caller.in("shop.example"), {"x", "", "allowed", ""}));
  CHECK(value("SELECT object FROM access_log") == "shop.example agent " + to_string(caller.id));
  for (int i = 0; i < 4; ++i) {  // each connection of the pool
    auto const left = get(pool.run([](pqxx::connection& connection) {
      return pqxx::nontransaction(connection)
          .query_value<std::string>(
              "SELECT concat(current_setting('app.tenant', true), current_setting('app.role', true), "
              "current_setting('app.principal', true))");
    }));
    CHECK(left.empty());
  }
}

TEST_CASE_FIXTURE(Door, "a person's reading of a conversation is logged for its tenant, a service's is not") {
  add_token("s", "service", "shop.example");
  add_token("o", "operator", "");
  auto const conversation = random_uuid();
  for (auto const* const token : {"s", "o"}) {
    auto const asked = request(token);
    get(access_log.read_by_person(principal(token)->in("shop.example"), asked, conversation));
  }
  CHECK(value("SELECT string_agg(concat_ws(' ', p.name, l.domain, action, object, result), ', ') FROM access_log l "
              "JOIN principals p ON p.id = l.principal_id") ==
        "o shop.example transcript.read " + to_string(conversation) + " allowed");
}

TEST_CASE_FIXTURE(Door, "what became of an event is known by its key, and the inbox is not read") {
  auto const key = random_uuid();
  auto const parked = random_uuid();
  CHECK_FALSE(get(store.handled("match", key)));
  pqxx::nontransaction(owner).exec(
      "INSERT INTO pipeline.inbox (consumer, event_id, error_class) VALUES ('match', $1, NULL), ('match', $2, "
      "'same_person'), ('chat', $3, NULL)",
      pqxx::params{to_string(key), to_string(parked), to_string(Uuid{})});
  REQUIRE(get(store.handled("match", key)));
  CHECK_FALSE(get(store.handled("match", key))->parked());
  CHECK(get(store.handled("match", parked))->error_class == "same_person");
  CHECK_FALSE(get(store.handled("chat", key)));
  execute("UPDATE pipeline.inbox SET run_id = gen_random_uuid()");  // a replay's
  CHECK_FALSE(get(store.handled("match", key)));
  pqxx::connection gateway{database.url_as("gateway")};
  CHECK_THROWS_AS(pqxx::nontransaction(gateway).exec("SELECT FROM pipeline.inbox"), pqxx::insufficient_privilege);
}
