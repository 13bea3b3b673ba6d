#include "database_fixture.hpp"
#include "postgres/fence.hpp"
#include "postgres/inbox.hpp"
#include "postgres/unit.hpp"

#include <array>
#include <chrono>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::postgres;

namespace {

/// A database and the name of a worker that the cluster does not know; its role is gone afterwards.
class NewWorker {
 public:
  NewWorker() = default;
  NewWorker(NewWorker const&) = delete;
  NewWorker& operator=(NewWorker const&) = delete;
  ~NewWorker() {
    try {
      execute("SELECT pipeline.drop_worker('" + name + "')");
    } catch (std::exception const&) {
      // A failed test says more than this could.
    }
  }

  void execute(std::string const& sql) const {
    pqxx::connection admin{database.url()};
    pqxx::nontransaction{admin}.exec(sql);
  }
  void create() const { execute("SELECT pipeline.create_worker('" + name + "')"); }

  template <class Value>
  Value ask(std::string const& sql) const {
    pqxx::connection admin{database.url()};
    return pqxx::nontransaction{admin}.query_value<Value>(sql);
  }
  bool exists() const { return ask<bool>("SELECT to_regrole('" + role + "') IS NOT NULL"); }

  std::vector<std::string> list(std::string const& sql) const {
    pqxx::connection admin{database.url()};
    pqxx::nontransaction query{admin};
    std::vector<std::string> names;
    for (auto const& [each] : query.query<std::string>(sql)) names.push_back(each);
    return names;
  }

  test::TestDatabase database;
  std::string const name = "new_" + to_string(random_uuid()).substr(0, 8);
  std::string const role = "omnibus_" + name;
};

/// Claims a partition, handles an event with a reply, publishes the reply and forgets old events, as the engine does.
void work_as(NewWorker const& worker) {
  pqxx::connection connection{worker.database.url_as(worker.name)};
  AdmitKey key{worker.name, {}, random_uuid(), "orders", 0, 0};
  key.epoch = take_over(connection, worker.name, {{"orders", 0}}, "first").at(0);
  auto const result = run_unit(connection, key, [](OpenUnit& unit) {
    unit.publish({"replies", "key", "value", {}, std::nullopt});
  });
  REQUIRE(result.outcome == CommitOutcome::committed);
  CHECK(was_processed(connection, worker.name, {}, key.event_id));
  pqxx::work sweep{connection};
  auto const rows = take_unpublished(sweep, {worker.name, "orders", 0}, 10);
  REQUIRE(rows.size() == 1);
  remove_published(sweep, std::array{rows[0].id});
  sweep.commit();
  CHECK(prune_inbox(connection, worker.name, std::chrono::hours{24}, 10) == 0);
}

}  // namespace

TEST_CASE("a worker that is created in one call may do what the engine asks of it, and create_worker may be repeated") {
  NewWorker worker;
  REQUIRE_FALSE(worker.exists());
  worker.create();
  CHECK(worker.ask<bool>("SELECT rolcanlogin FROM pg_roles WHERE rolname = '" + worker.role + "'"));
  work_as(worker);
  worker.create();
  work_as(worker);
}

TEST_CASE("a worker's role that exists before its migration keeps what it has and is granted the same") {
  NewWorker worker;
  worker.execute("CREATE ROLE " + worker.role + " LOGIN PASSWORD 'kept' CONNECTION LIMIT 7");
  auto const attributes = "SELECT rolpassword || rolconnlimit FROM pg_authid WHERE rolname = '" + worker.role + "'";
  auto const before = worker.ask<std::string>(attributes);
  worker.create();
  CHECK(worker.ask<std::string>(attributes) == before);
  work_as(worker);
}

TEST_CASE("a new worker's role reaches the engine's six tables and nothing else") {
  NewWorker worker;
  worker.create();
  CHECK(worker.list("SELECT c.oid::regclass::text FROM pg_class c WHERE relkind IN ('r', 'p', 'v', 'm', 'f')"
                    " AND relnamespace::regnamespace::text IN ('public', 'pipeline') AND (has_table_privilege('" +
                    worker.role + "', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') OR" +
                    " has_any_column_privilege('" + worker.role + "', c.oid, 'SELECT, INSERT, UPDATE')) ORDER BY 1") ==
        std::vector<std::string>{"pipeline.deferred_records", "pipeline.erasures", "pipeline.fence", "pipeline.inbox",
                                 "pipeline.outbox", "pipeline.parked_records"});
  CHECK(worker.list("SELECT p.proname FROM pg_proc p WHERE (prosecdef OR proname ~ '_worker$') AND prorettype <> "
                    "'trigger'::regtype"
                    " AND pronamespace::regnamespace::text IN ('public', 'pipeline') AND has_function_privilege('" +
                    worker.role + "', p.oid, 'EXECUTE') ORDER BY 1") ==
        std::vector<std::string>{"ledger_missing", "ledger_tip", "prune_inbox", "read_subject_keys",
                                 "reapplied_erasures", "sealed_tenants", "take_subject_key", "unknown_master_key"});
  CHECK_FALSE(
      worker.ask<bool>("SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls FROM pg_roles WHERE"
                       " rolname = '" +
                       worker.role + "'"));
  pqxx::connection connection{worker.database.url_as(worker.name)};
  pqxx::nontransaction query{connection};
  for (auto const* const sql :
       {"SELECT 1 FROM tenants", "SELECT 1 FROM messages", "SELECT 1 FROM pipeline.llm_responses",
        "SELECT 1 FROM pipeline.parked_records", "DELETE FROM pipeline.inbox", "DELETE FROM pipeline.fence",
        "UPDATE pipeline.outbox SET topic = ''", "SELECT pipeline.destroy_subject_keys('{}')",
        "SELECT pipeline.create_worker('another')", "SELECT pipeline.drop_worker('chat')"}) {
    CAPTURE(sql);
    CHECK_THROWS_AS(query.exec(sql), pqxx::insufficient_privilege);
  }
}

TEST_CASE("a name that is none of a worker is refused, and so are the roles that are no worker's") {
  NewWorker worker;
  pqxx::connection admin{worker.database.url()};
  pqxx::nontransaction query{admin};
  for (auto const* const name :
       {"", "Triage", "9lives", "_x", "tri-age", "a b", "a\n", "x; DROP ROLE omnibus_chat", "a\"b", "owner", "replay",
        "readonly", "operator", "admin", "a23456789_123456789_123456789_123456789_12"}) {
    CAPTURE(name);
    CHECK_THROWS_AS(query.exec("SELECT pipeline.create_worker($1)", pqxx::params{name}), pqxx::sql_error);
    CHECK_THROWS_AS(query.exec("SELECT pipeline.drop_worker($1)", pqxx::params{name}), pqxx::sql_error);
  }
  CHECK_THROWS_AS(query.exec("SELECT pipeline.create_worker(NULL)"), pqxx::sql_error);
  CHECK_NOTHROW(query.exec("SELECT pipeline.worker_role('a23456789_123456789_123456789_123456789_1')"));
}

TEST_CASE("an owner who may create roles needs no superuser, and one who may not needs the role to be there") {
  NewWorker worker;
  auto const as_admin = [&](std::string const& attributes) {
    worker.execute("CREATE ROLE admin_of_" + worker.name + " " + attributes + " IN ROLE omnibus_owner");
    pqxx::connection connection{worker.database.url()};
    pqxx::nontransaction session{connection};
    session.exec("SET ROLE admin_of_" + worker.name);
    try {
      session.exec("SELECT pipeline.create_worker('" + worker.name + "')");
    } catch (pqxx::insufficient_privilege const&) {
    }
    session.exec("RESET ROLE; DROP ROLE admin_of_" + worker.name);
  };
  as_admin("NOCREATEROLE");
  CHECK_FALSE(worker.exists());
  as_admin("CREATEROLE");
  work_as(worker);
  worker.execute("REVOKE ALL ON pipeline.fence, pipeline.inbox, pipeline.outbox, pipeline.parked_records FROM " +
                 worker.role);
  as_admin("NOCREATEROLE");
  work_as(worker);
}

TEST_CASE("drop_worker takes all of it back, and keeps a role that something else depends on") {
  NewWorker worker;
  auto const acl =
      "SELECT coalesce(array_agg(relacl::text ORDER BY oid)::text, '') FROM pg_class WHERE relnamespace = "
      "'pipeline'::regnamespace";
  auto const before = worker.ask<std::string>(acl);
  worker.create();
  worker.execute("CREATE TABLE tickets (x int); GRANT SELECT ON tickets TO " + worker.role);
  CHECK(worker.ask<std::string>(acl) != before);
  auto const drop = "SELECT pipeline.drop_worker('" + worker.name + "')";
  worker.execute(drop);
  CHECK(worker.ask<std::string>(acl) == before);
  CHECK(worker.exists());
  worker.execute("DROP TABLE tickets");
  worker.execute(drop);
  CHECK_FALSE(worker.exists());
  CHECK_NOTHROW(worker.execute(drop));
}
