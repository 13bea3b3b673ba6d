// When matches are due and what activates them, in a migrated database as role match.
#include "handler/failure.hpp"
#include "tests/workers/match/match_tables.hpp"

#include <thread>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::match;
using namespace omnibus::match::test;

namespace {

struct Activations : MatchTables {
  explicit Activations(int people = 2) {
    for (int number = 1; number <= people; ++number) add_person(number);
  }
  std::vector<DueMatch> activate(ActivationScope const& scope = {}, std::int32_t limit = 200) {
    std::vector<DueMatch> due;
    in_unit([&](UnitOfWork& unit) { due = store.activate(unit, scope, limit); });
    return due;
  }
  std::string refuse(ActivationScope const& scope) {
    try {
      in_unit([&](UnitOfWork& unit) { store.check(unit, scope); });
    } catch (Failure const& failure) {
      return failure.error_class();
    }
    return {};
  }
  /// The later midnight of two time zones after a moment, in UTC.
  std::string midnight(std::string const& a, std::string const& b, std::string const& moment) {
    return value("SELECT to_char(omniscient_next_midnight('" + a + "', '" + b + "', '" + moment +
                 "') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')");
  }

  PostgresMatches store;
};

}  // namespace

TEST_CASE("the next midnight is the later one of both people, and where it is skipped or doubled the later instant") {
  Activations tables;
  CHECK(tables.midnight("Africa/Kigali", "UTC", "2026-11-29 10:00Z") == "2026-11-30 00:00");
  CHECK(tables.midnight("Pacific/Kiritimati", "Pacific/Pago_Pago", "2026-11-29 10:00Z") == "2026-11-30 10:00");
  CHECK(tables.midnight("America/Santiago", "America/Santiago", "2027-09-04 12:00Z") == "2027-09-05 04:00");
  CHECK(tables.midnight("America/Havana", "America/Havana", "2027-11-06 12:00Z") == "2027-11-07 05:00");
}

TEST_CASE("a time zone that vanished counts as UTC, and nobody else is held up") {
  Activations tables{3};
  tables.execute("UPDATE users SET timezone = 'US/Vanished' WHERE handle = 'person 1'");
  for (int other = 2; other <= 3; ++other) {
    auto const match = tables.add_match(1, other, "analyzed");
    Schedule schedule;
    tables.in_unit([&](UnitOfWork& unit) { schedule = tables.store.schedule(unit, match); });
    CHECK(schedule.zone_vanished);
    CHECK(schedule.scheduled_for.ends_with("T00:00:00Z"));
    CHECK(tables.status(match) == "scheduled");
  }
  auto const match = tables.add_match(2, 3, "analyzed");
  tables.in_unit([&](UnitOfWork& unit) { CHECK_FALSE(tables.store.schedule(unit, match).zone_vanished); });
}

TEST_CASE("three ticks for one midnight activate once") {
  Activations tables{4};
  auto const due = tables.add_match(1, 2, "scheduled", "now() - interval '1 minute'");
  auto const later = tables.add_match(3, 4, "scheduled", "now() + interval '1 hour'");
  auto const activated = tables.activate();
  REQUIRE(activated.size() == 1);
  CHECK(activated[0].id == due);
  CHECK(activated[0].domain == shop);
  CHECK(activated[0].activated);
  CHECK(tables.activate().empty());
  CHECK(tables.activate().empty());
  CHECK(tables.status(due) == "active");
  CHECK(tables.status(later) == "scheduled");
  ActivationScope tomorrow;
  tomorrow.at = "2126-11-30T00:00:00+02:00";
  CHECK(tables.activate(tomorrow).size() == 1);
}

TEST_CASE("two who tick at once activate a match once") {
  Activations tables;
  auto const match = tables.add_match(1, 2, "scheduled");
  pqxx::connection connection{tables.database.url()};
  pqxx::work other{connection};
  other.exec("UPDATE omniscient_matches SET status = 'active'");
  std::thread committing{[&] {
    omnibus::test::await_lock_wait(tables.admin);
    other.commit();
  }};
  CHECK(tables.activate().empty());
  committing.join();
  CHECK(tables.status(match) == "active");
}

TEST_CASE("consent, status, story and blocks are checked by the statement that activates") {
  auto const second = " WHERE handle = 'person 2'";
  for (auto const& change :
       {std::string{"UPDATE users SET deep_analysis_consent_at = NULL"} + second,
        std::string{"UPDATE users SET status = 'SUSPENDED'"} + second, std::string{"DELETE FROM personal_stories"},
        "INSERT INTO omniscient_blocks VALUES ('" + to_string(user(1)) + "', '" + to_string(user(2)) + "')",
        "INSERT INTO omniscient_blocks VALUES ('" + to_string(user(2)) + "', '" + to_string(user(1)) + "')"}) {
    Activations tables;
    auto const match = tables.add_match(1, 2, "scheduled");
    tables.execute(change);
    auto const due = tables.activate();
    REQUIRE(due.size() == 1);
    CHECK_MESSAGE(!due[0].activated, change);
    CHECK(tables.status(match) == "cancelled withdrawn");
  }
}

TEST_CASE("the matches of a suspended tenant wait") {
  Activations tables;
  auto const match = tables.add_match(1, 2, "scheduled");
  tables.execute("UPDATE tenants SET status = 'suspended'");
  CHECK(tables.activate().empty());
  CHECK(tables.status(match) == "scheduled");
  tables.execute("UPDATE tenants SET status = 'active'");
  CHECK(tables.activate().size() == 1);
}

TEST_CASE("matches are activated within a tenant, of one person, or one at a time, in bounded steps") {
  Activations tables{4};
  tables.database.add_tenant("other.example");
  auto const first = tables.add_match(1, 2, "scheduled", "now() - interval '2 minutes'");
  auto const second = tables.add_match(3, 4, "scheduled", "now() - interval '1 minute'");
  auto const analyzed = tables.add_match(1, 3, "analyzed", "NULL");
  ActivationScope scope;
  scope.domain = "other.example";
  CHECK(tables.activate(scope).empty());
  scope.domain = shop;
  scope.user = user(4);
  auto const of_person = tables.activate(scope);
  REQUIRE(of_person.size() == 1);
  CHECK(of_person[0].id == second);
  scope.user.reset();
  scope.match = analyzed;
  REQUIRE(tables.activate(scope).size() == 1);
  CHECK(tables.status(analyzed) == "active");
  CHECK(tables.status(first) == "scheduled");
  tables.add_match(2, 4, "scheduled", "now() - interval '3 minutes'");
  CHECK(tables.activate({}, 1).size() == 1);
  CHECK(tables.status(first) == "scheduled");  // the first due first
}

TEST_CASE("what cannot be activated is refused by name") {
  Activations tables;
  ActivationScope scope;
  scope.domain = shop;
  CHECK(tables.refuse(scope) == "");
  scope.user = user(9);
  CHECK(tables.refuse(scope) == "unknown_user");
  scope.user = user(1);
  scope.match = random_uuid();
  CHECK(tables.refuse(scope) == "unknown_match");
  for (std::string const status : {"pending_analysis", "analyzed", "scheduled", "active", "completed", "cancelled"}) {
    scope.match = tables.add_match(1, 2, status);
    auto const may = status == "analyzed" || status == "scheduled";
    CHECK_MESSAGE(tables.refuse(scope) == (may ? "" : "illegal_transition"), status);
    tables.execute("DELETE FROM omniscient_matches");
  }
}
