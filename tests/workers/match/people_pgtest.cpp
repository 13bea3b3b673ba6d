// What is stored of people, in a migrated database as role match.
#include "handler/failure.hpp"
#include "tests/workers/match/match_tables.hpp"
#include "time/time.hpp"
#include "workers/match/people_store.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::match;
using namespace omnibus::match::test;

namespace {

struct Recording : MatchTables {
  static PersonRecorded person(int number) {
    PersonRecorded event;
    event.domain = shop;
    event.user_id = user(number);
    event.handle = "person " + std::to_string(number);
    event.timezone = "Africa/Kigali";
    event.status = "APPROVED";
    event.deep_analysis_consent_at = "2020-11-29T10:00:00Z";
    event.narrative = "I repair clocks.";
    event.seeking_connections = {"cases, \"good\" ones"};
    event.offering_expertise = {"clocks"};
    return event;
  }
  /// Recorded by an event of that time, in ms since 1970; without one a little after the last.
  std::vector<Uuid> record(PersonRecorded const& person, std::optional<std::int64_t> at_ms = {}) {
    std::optional<std::vector<Uuid>> cancelled;
    in_unit([&](UnitOfWork& unit) { cancelled = store.record(unit, person, at_ms.value_or(now_ms += 1000)); });
    was_latest = cancelled.has_value();
    return cancelled.value_or(std::vector<Uuid>{});
  }
  /// The class of the failure.
  std::string refuse(PersonRecorded const& person) {
    try {
      record(person);
    } catch (Failure const& failure) {
      return failure.error_class();
    }
    return {};
  }
  std::string blocks() {
    return value(
        "SELECT coalesce(string_agg(right(user_id::text, 1) || right(other_id::text, 1), ' ' ORDER BY 1), '') "
        "FROM (SELECT * FROM omniscient_blocks ORDER BY user_id, other_id) AS b");
  }

  PostgresPeople store;
  std::int64_t now_ms = 1'790'000'000'000;  // in September 2026
  bool was_latest = false;
};

}  // namespace

TEST_CASE("a person is stored whole: what an event lacks is removed") {
  Recording people;
  people.record(Recording::person(1));
  CHECK(people.value("SELECT concat_ws('|', handle, timezone, status, email, narrative, seeking_connections[1]) FROM "
                     "users JOIN personal_stories ON user_id = id") ==
        "person 1|Africa/Kigali|APPROVED|I repair clocks.|cases, \"good\" ones");
  auto person = Recording::person(1);
  person.email = "a@example.org";
  person.handle = "another";
  person.narrative.reset();
  person.deep_analysis_consent_at.reset();
  people.record(person);
  CHECK(people.value("SELECT concat_ws('|', handle, email, deep_analysis_consent_at) FROM users") ==
        "another|a@example.org");
  CHECK(people.value("SELECT count(*) FROM personal_stories") == "0");
}

TEST_CASE("a story's time changes with the story alone") {
  Recording people;
  people.record(Recording::person(1));
  people.execute("UPDATE personal_stories SET updated_at = '2026-01-01Z'");
  auto person = Recording::person(1);
  person.handle = "another";
  person.timezone = "UTC";
  people.record(person);
  CHECK(people.value("SELECT updated_at = '2026-01-01Z' FROM personal_stories") == "t");
  person.current_focus = "Cuckoo clocks.";
  people.record(person);
  CHECK(people.value("SELECT updated_at > '2026-09-01Z' FROM personal_stories") == "t");
}

TEST_CASE("an older event, such as a redriven dead letter, changes nothing of a person that a later one recorded") {
  Recording people;
  auto const before = people.now_ms;
  auto person = Recording::person(1);
  person.handle = "later";
  people.record(person, before + 1);
  CHECK(people.was_latest);
  auto older = Recording::person(1);
  older.status = "SUSPENDED";
  older.narrative = "Old.";
  older.blocked_user_ids = {{user(2)}};
  people.record(older, before);
  CHECK_FALSE(people.was_latest);
  auto const stored = [&] {
    return people.value(
        "SELECT concat_ws('|', handle, status, narrative, cardinality(blocked_user_ids), (extract(epoch "
        "FROM recorded_at) * 1000)::bigint - " +
        std::to_string(before) + ", recorded_at = updated_at) FROM users JOIN personal_stories ON user_id = id");
  };
  CHECK(stored() == "later|APPROVED|I repair clocks.|0|1|t");
  people.record(older, before + 1);  // of the same millisecond: the order of the topic decides
  CHECK(people.was_latest);
  CHECK(stored().starts_with("person 1|SUSPENDED|Old.|1"));
}

TEST_CASE("an event of a clock that is ahead does not keep the next one out") {
  Recording people;
  people.record(Recording::person(1), wall_clock_ms() + 86'400'000);
  people.record(Recording::person(1), wall_clock_ms() + 1000);
  CHECK(people.was_latest);
  CHECK(people.value("SELECT recorded_at <= now() FROM users") == "t");
}

TEST_CASE("the time of a consent may have any offset of RFC 3339") {
  Recording people;
  auto person = Recording::person(1);
  person.deep_analysis_consent_at = "2020-11-29T10:00:00+23:59";
  people.record(person);
  CHECK(people.value("SELECT deep_analysis_consent_at = '2020-11-28T10:01:00Z' FROM users") == "t");
}

TEST_CASE("a time zone of people is a place's name as PostgreSQL writes it") {
  Recording people;
  pqxx::nontransaction query{people.admin};
  matches::TimeZones const zones{query};
  for (auto const* const name : {"Africa/Kigali", "UTC", "America/Argentina/Ushuaia"})
    CHECK_MESSAGE(zones.contains(name), name);
  for (auto const* const name : {"posix/Europe/Paris", "right/UTC", "localtime", "posixrules", "Factory", "PST", "+03",
                                 "FOO-7", "EST5EDT,M3.2.0,M11.1.0", "africa/kigali", ""})
    CHECK_FALSE_MESSAGE(zones.contains(name), name);
}

TEST_CASE("a consent counts from its time on") {
  Recording people;
  people.record(Recording::person(1));
  people.record(Recording::person(2));
  auto const may_meet = [&](std::string const& consent) {
    people.execute("UPDATE users SET deep_analysis_consent_at = " + consent + " WHERE handle = 'person 2'");
    return people.value("SELECT omniscient_may_meet('" + to_string(user(1)) + "', '" + to_string(user(2)) + "')");
  };
  CHECK(may_meet("now()") == "t");
  CHECK(may_meet("now() + interval '1 hour'") == "f");
  CHECK(may_meet("NULL") == "f");
}

TEST_CASE("another tenant's person, a taken handle and an unknown tenant are refused") {
  Recording people;
  people.database.add_tenant("other.example");
  people.record(Recording::person(1));
  auto elsewhere = Recording::person(1);
  elsewhere.domain = "other.example";
  CHECK(people.refuse(elsewhere) == "unknown_user");
  elsewhere.user_id = user(3);
  CHECK(people.refuse(elsewhere) == "");  // the same handle in another tenant
  auto same_handle = Recording::person(2);
  same_handle.handle = "person 1";
  CHECK(people.refuse(same_handle) == "invalid_event");
  auto nowhere = Recording::person(4);
  nowhere.domain = "nowhere.example";
  CHECK(people.refuse(nowhere) == "unknown_tenant");
  people.execute("UPDATE tenants SET status = 'suspended' WHERE domain = 'shop.example'");
  CHECK(people.refuse(Recording::person(1)) == "inactive_tenant");
  CHECK(people.value("SELECT count(*) FROM users") == "2");
}

TEST_CASE("blocks are replaced whole; who is not known yet is blocked from the moment they are") {
  Recording people;
  people.record(Recording::person(2));
  auto person = Recording::person(1);
  person.blocked_user_ids = {{user(2), user(3), user(1)}};
  people.record(person);
  CHECK(people.blocks() == "12");
  people.record(Recording::person(3));
  CHECK(people.blocks() == "12 13");
  person.blocked_user_ids = {{user(3)}};
  people.record(person);
  CHECK(people.blocks() == "13");
  people.record(Recording::person(1));
  CHECK(people.blocks() == "");
}

TEST_CASE("withdrawn consent, a suspension, a lost story or a block cancels what waits, and nothing else") {
  for (auto const* change : {"consent", "SUSPENDED", "story", "block"}) {
    Recording people;
    for (int number = 1; number <= 8; ++number) people.record(Recording::person(number));
    auto const pending = people.add_match(1, 2, "pending_analysis");
    auto const analyzed = people.add_match(1, 3, "analyzed");
    auto const scheduled = people.add_match(1, 4, "scheduled");
    auto const active = people.add_match(1, 5, "active");
    auto const completed = people.add_match(1, 6, "completed");
    auto const others = people.add_match(7, 8, "scheduled");
    CHECK(people.record(Recording::person(1)).empty());
    auto person = Recording::person(1);
    if (change == std::string{"consent"}) person.deep_analysis_consent_at.reset();
    if (change == std::string{"SUSPENDED"}) person.status = change;
    if (change == std::string{"story"}) person.narrative = " \u200b";
    if (change == std::string{"block"}) person.blocked_user_ids = {{user(2), user(3), user(4), user(5), user(6)}};
    CHECK_MESSAGE(people.record(person).size() == 3, change);
    for (auto const& match : {pending, analyzed, scheduled}) CHECK(people.status(match) == "cancelled withdrawn");
    CHECK(people.status(active) == "active");
    CHECK(people.status(completed) == "completed");
    CHECK(people.status(others) == "scheduled");
  }
}
