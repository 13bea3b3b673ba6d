// How requests wait for one another, in a migrated database as the worker's role.
#include "tests/workers/gdpr/gdpr_tables.hpp"
#include "workers/gdpr/requests/audit_log.hpp"
#include "workers/gdpr/requests/request_store.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace omnibus;
using namespace omnibus::gdpr;
using omnibus::gdpr::test::GdprDatabase;
using omnibus::gdpr::test::request_about;

namespace {

std::string const anna(32, 'a');
std::string const annas_session(32, 'b');
std::string const bob(32, 'c');

struct RequestTables {
  void receive(GdprRequest const& request, std::string_view kind) {
    database.in_unit([&](UnitOfWork& unit) { store.receive(unit, request, kind); });
  }
  RequestState look(GdprRequest const& request) {
    pqxx::connection connection{database.url_as("gdpr")};
    return PostgresRequests::look_over(connection, request.request_id);
  }
  void begin(GdprRequest const& request) {
    database.in_unit([&](UnitOfWork& unit) { store.begin(unit, request.request_id); });
  }
  void complete(GdprRequest const& request) {
    database.in_unit([&](UnitOfWork& unit) { store.complete(unit, request.request_id, std::nullopt); });
  }

  GdprDatabase database;
  PostgresRequests store;
};

}  // namespace

TEST_CASE_FIXTURE(RequestTables,
                  "a deletion waits for an export of the person under any identity, and not the reverse") {
  auto const deletion = request_about(anna, {annas_session});
  auto const copy = request_about(annas_session);
  receive(deletion, deletion_kind);
  receive(copy, export_kind);
  receive(request_about(bob), export_kind);
  CHECK(look(deletion).waits_for == to_string(copy.request_id));
  CHECK(!look(copy).waits_for);
  complete(copy);
  CHECK(!look(deletion).waits_for);
  begin(deletion);
  auto const late = request_about(anna);
  receive(late, export_kind);
  CHECK(look(late).waits_for == to_string(deletion.request_id));
  CHECK(!look(deletion).waits_for);  // else both would wait for ever
}

TEST_CASE_FIXTURE(RequestTables, "of two deletions of a person the later one waits") {
  auto const first = request_about(anna);
  auto const second = request_about(anna);
  receive(first, deletion_kind);
  receive(second, deletion_kind);
  CHECK(!look(first).waits_for);
  CHECK(look(second).waits_for == to_string(first.request_id));
  complete(first);
  CHECK(!look(second).waits_for);
}

TEST_CASE_FIXTURE(RequestTables, "counts add up, and a request received twice is one row") {
  auto const request = request_about(anna);
  receive(request, deletion_kind);
  receive(request, deletion_kind);
  for (int i = 0; i < 2; ++i)
    database.in_unit([&](UnitOfWork& unit) {
      store.count(unit, request.request_id, {{"messages", 1000}, {"conversations", 1}});
    });
  complete(request);
  CHECK(database.value("SELECT counts::text FROM gdpr_requests") == R"({"messages": 2000, "conversations": 2})");
  CHECK(database.value("SELECT status FROM gdpr_requests") == "completed");
}

TEST_CASE_FIXTURE(RequestTables, "a held deletion is released when the last hold has ended, with all that was asked") {
  auto const request = request_about(anna, {annas_session});
  receive(request, deletion_kind);
  database.execute("INSERT INTO legal_holds (domain, subject_key, until) VALUES ('shop.example', '" + annas_session +
                   "', now() + interval '1 day')");
  database.in_unit([&](UnitOfWork& unit) { store.hold(unit, request.request_id, "2026-12-06T00:00:00Z", {anna}); });
  auto released = [&] {
    std::vector<GdprDeletionRequested> requests;
    database.in_unit([&](UnitOfWork& unit) { requests = store.release(unit); });
    return requests;
  };
  CHECK(released().empty());
  database.execute("UPDATE legal_holds SET until = now() - interval '1 second'");
  auto const requests = released();
  REQUIRE(requests.size() == 1);
  CHECK(requests[0].request_id == request.request_id);
  CHECK(requests[0].subject_key == anna);
  CHECK(requests[0].identities == request.identities);
  CHECK(database.value("SELECT status || COALESCE(held_until::text, '') FROM gdpr_requests") == "received");
}

TEST_CASE_FIXTURE(RequestTables, "a deletion that a hold on another identity stops waits for the end of that hold") {
  auto const request = request_about(anna);
  receive(request, deletion_kind);
  database.execute("INSERT INTO legal_holds (domain, subject_key) VALUES ('shop.example', '" + annas_session + "')");
  database.execute("INSERT INTO legal_holds (domain, subject_key) VALUES ('shop.example', '" + bob + "')");
  database.in_unit([&](UnitOfWork& unit) { store.hold(unit, request.request_id, "infinity", {anna, annas_session}); });
  database.in_unit([&](UnitOfWork& unit) { CHECK(store.release(unit).empty()); });
  database.execute("UPDATE legal_holds SET released_at = now() WHERE subject_key = '" + annas_session + "'");
  database.in_unit([&](UnitOfWork& unit) { CHECK(store.release(unit).size() == 1); });
}

TEST_CASE_FIXTURE(RequestTables, "a deletion that a hold on another person stopped does not name them when it runs") {
  auto const request = request_about(anna, {annas_session});
  receive(request, deletion_kind);
  database.execute("INSERT INTO legal_holds (domain, subject_key) VALUES ('shop.example', '" + bob + "')");
  database.in_unit([&](UnitOfWork& unit) { store.hold(unit, request.request_id, "infinity", {anna, bob}); });
  database.in_unit([&](UnitOfWork& unit) { CHECK(store.release(unit).empty()); });
  database.execute("UPDATE legal_holds SET released_at = now()");
  database.in_unit([&](UnitOfWork& unit) {
    auto const requests = store.release(unit);
    REQUIRE(requests.size() == 1);
    CHECK(requests[0].identities == request.identities);
  });
}

TEST_CASE_FIXTURE(RequestTables, "an erasure ends also where a topic deletes nothing") {
  auto const request = request_about(anna);
  receive(request, deletion_kind);
  database.in_unit(
      [&](UnitOfWork& unit) { store.complete(unit, request.request_id, std::numeric_limits<std::int64_t>::max()); });
  CHECK(database.value("SELECT status FROM gdpr_requests WHERE log_clear_at > now() + interval '1000 years'") ==
        "completed");
}

TEST_CASE_FIXTURE(RequestTables,
                  "the log is clear of a person when every partition begins at or after the erasure's end") {
  auto const request = request_about(anna);
  receive(request, deletion_kind);
  database.execute("SELECT pipeline.begin_erasure('" + to_string(request.request_id) + "', 'shop.example', '{" +
                   std::string{anna} + "}')");
  database.execute("SELECT pipeline.set_erasure_positions('{" + std::string{anna} +
                   R"(}', '{"chat.messages": {"0": 7, "1": 9}, "llm.calls": {"0": 99}}'))");
  auto const confirmed = [&](std::string const& starts) {
    std::vector<ClearedRequest> cleared;
    database.in_unit([&](UnitOfWork& unit) { cleared = store.confirm_clear(unit, starts); });
    return cleared.size();
  };
  std::string const passed = R"({"chat.messages": {"0": 7, "1": 12}, "new.topic": {"0": 0}})";
  database.execute("UPDATE gdpr_requests SET status = 'completed', log_clear_at = now() + interval '1 hour'");
  CHECK(confirmed(passed) == 0);  // not due yet
  database.execute("UPDATE gdpr_requests SET log_clear_at = now() - interval '1 hour'");
  CHECK(confirmed(R"({"chat.messages": {"0": 6, "1": 12}})") == 0);
  CHECK(confirmed(R"({"chat.messages": {"0": 7, "1": 8}})") == 0);
  CHECK(database.value("SELECT log_cleared_at FROM gdpr_requests") == "null");
  // Until then the positions are kept.
  database.execute("UPDATE pipeline.erasures SET erased_at = now() - interval '90 days'");
  CHECK(database.value("SELECT pipeline.prune_erasures('60 days', 100)") == "0");
  CHECK(confirmed(passed) == 1);
  CHECK(confirmed(passed) == 0);
  CHECK(database.value("SELECT log_cleared_at IS NOT NULL FROM gdpr_requests") == "t");
  CHECK(database.value("SELECT pipeline.prune_erasures('60 days', 100)") == "1");
}

TEST_CASE_FIXTURE(RequestTables, "each step of a request is audited once") {
  auto const request = request_about(anna);
  PostgresAuditLog audit;
  for (int i = 0; i < 2; ++i)
    database.in_unit([&](UnitOfWork& unit) {
      audit.record(unit, audit_of(request, "erasure.rows", "done", {{"x", 1}}));
    });
  CHECK(database.value("SELECT count(*) FROM gdpr_audit_log WHERE payload = '{\"x\": 1}'") == "1");
}

TEST_CASE_FIXTURE(RequestTables,
                  "a request for a domain that is no tenant, or with the id of another request, is not received") {
  auto request = request_about(anna);
  receive(request, deletion_kind);
  for (auto const* domain : {"nobody.example", "other.example"}) {
    request.domain = domain;
    database.in_unit([&](UnitOfWork& unit) { CHECK(!store.receive(unit, request, deletion_kind)); });
  }
  request.domain = "shop.example";
  database.in_unit([&](UnitOfWork& unit) { CHECK(!store.receive(unit, request, export_kind)); });
  request.subject_key = bob;
  database.in_unit([&](UnitOfWork& unit) { CHECK(!store.receive(unit, request, deletion_kind)); });
}

TEST_CASE_FIXTURE(RequestTables, "a request of an unknown principal is received") {
  auto request = request_about(anna);
  request.requested_by = random_uuid();
  receive(request, deletion_kind);
  CHECK(database.value("SELECT requested_by FROM gdpr_requests") == "null");
}

TEST_CASE_FIXTURE(RequestTables, "a request that names what is stored about another tenant's person is not received") {
  constexpr char const* id = "00000000-0000-4000-8000-00000000000f";
  auto const key = std::string{"000000000000400080000000000000"} + "0f";
  for (auto const* row :
       {"INSERT INTO conversations (id, domain, session_id) VALUES ($1, 'other.example', 's')",
        "INSERT INTO profiles (id, domain, phone_number) VALUES ($1, 'other.example', '+250788000001')",
        "INSERT INTO users (id, domain, handle, status) VALUES ($1, 'other.example', 'eve', 'APPROVED')",
        "INSERT INTO principals (id, domain, role, kind, name) VALUES ($1, 'other.example', 'agent', 'person', 'eve')",
        "INSERT INTO identity_links (domain, customer_id, kind, subject_key, external_id) VALUES ('other.example', $1, "
        "'phone', '0123456789abcdef0123456789abcdef', 'x')"}) {
    CAPTURE(row);
    database.execute(row, pqxx::params{id});
    for (auto const& request : {request_about(key), request_about(anna, {annas_session, key})})
      database.in_unit([&](UnitOfWork& unit) { CHECK(!store.receive(unit, request, deletion_kind)); });
    CHECK(database.value("SELECT count(*) FROM gdpr_requests") == "0");
    for (auto const* table : {"conversations", "profiles", "users", "principals", "identity_links"})
      database.execute(fmt::format("DELETE FROM {}", table));
  }
  database.execute("INSERT INTO conversations (id, domain, session_id) VALUES ($1, 'shop.example', 's')",
                   pqxx::params{id});
  auto const own = request_about(key);
  database.in_unit([&](UnitOfWork& unit) { CHECK(store.receive(unit, own, deletion_kind)); });
}
