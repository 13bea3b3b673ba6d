// What the scheduler claims and publishes, in a migrated database as its role.
#include "kafka/topics.hpp"
#include "postgres/rows.hpp"
#include "tests/common/engine/topic_reader.hpp"
#include "tests/common/postgres/database_fixture.hpp"
#include "time/time.hpp"
#include "workers/scheduler/store.hpp"
#include "workers/scheduler/tick_record.hpp"
#include "workers/scheduler/ticker.hpp"

#include <future>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

using namespace omnibus;
using namespace omnibus::scheduler;
using namespace omnibus::engine::test;

namespace {

constexpr auto cleanup = "tick.sessions.cleanup";

/// The schedules of a migrated database, and a scheduler's connection.
struct TestSchedules {
  /// @param by_themselves whether schedules become due when their time comes, and not only by due()
  explicit TestSchedules(bool by_themselves = false) {
    claim_due(connection);  // gives each its first due time
    if (!by_themselves) execute("UPDATE pipeline.schedules SET next_at = next_at + interval '1 year'");
  }
  void execute(std::string const& sql) { pqxx::nontransaction{admin}.exec(sql); }
  std::string ask(std::string const& sql) { return pqxx::nontransaction{admin}.query_value<std::string>(sql); }
  /// Makes a schedule due, so many milliseconds ago.
  void due(std::string const& name, std::int64_t ago_ms = 0) {
    execute("UPDATE pipeline.schedules SET next_at = date_trunc('milliseconds', now()) - interval '" +
            std::to_string(ago_ms) + " ms' WHERE name = '" + name + "'");
  }
  std::int64_t waiting() { return std::stoll(ask("SELECT count(*) FROM pipeline.outbox")); }
  /// Waits until so many sessions wait for a lock.
  void await_waiting(std::size_t count) {
    pqxx::nontransaction query{admin};
    while (query.query_value<std::size_t>("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                                          " AND wait_event_type = 'Lock'") < count)
      query.exec("SELECT pg_sleep(0.002)");
  }

  omnibus::test::TestDatabase database;
  pqxx::connection admin{database.url()};
  pqxx::connection connection{database.url_as("scheduler")};
};

/// The same with a broker.
struct Ticking : TestSchedules {
  Ticking() { publishing.message_timeout = std::chrono::milliseconds{0}; }
  std::size_t publish(std::chrono::milliseconds patience = std::chrono::seconds{30}) {
    return publish_claimed(connection, producer, patience);
  }

  Broker broker;
  kafka::ProducerSettings publishing;
  kafka::Producer producer{broker.client, publishing};
};

}  // namespace

TEST_CASE("each schedule has its event, and begins at its next due time") {
  TestSchedules schedules{true};
  auto const* const topic = kafka::TopicCatalog::built_in().find("ops.ticks");
  REQUIRE(topic != nullptr);
  auto events = topic->events;
  pqxx::nontransaction query{schedules.admin};
  for (auto const& row : query.exec("SELECT name FROM pipeline.schedules")) {
    auto const name = row[0].as<std::string>();
    CHECK_MESSAGE(std::erase(events, "omnibus." + name + ".v1") == 1, name);
  }
  CHECK(events.empty());
  CHECK(query.query_value<int>(R"(
      SELECT count(*) FROM pipeline.schedules WHERE NOT enabled OR last_at IS NOT NULL
        OR next_at <= now() - interval '10 seconds'  -- a minute may have begun since
        OR next_at > now() + coalesce(every, CASE WHEN at LIKE '% %' THEN interval '7 days' ELSE interval '1 day' END)
        OR extract(epoch FROM next_at)::bigint % extract(epoch FROM every)::bigint <> 0
        OR to_char(next_at AT TIME ZONE 'UTC', CASE WHEN at LIKE '% %' THEN 'Dy HH24:MI' ELSE 'HH24:MI' END) <> at)") ==
        0);
}

TEST_CASE("a schedule that is due is claimed once, and is due again at its next due time") {
  TestSchedules schedules;
  CHECK(claim_due(schedules.connection) == 0);
  CHECK(schedules.waiting() == 0);
  schedules.due(cleanup);
  CHECK(claim_due(schedules.connection) == 1);
  CHECK(claim_due(schedules.connection) == 0);
  CHECK(schedules.waiting() == 1);
  CHECK(schedules.ask("SELECT next_at > now() AND last_at <= now() FROM pipeline.schedules WHERE name = "
                      "'tick.sessions.cleanup'") == "t");
}

TEST_CASE("two schedulers that find the same schedule due claim it once") {
  TestSchedules schedules;
  pqxx::connection second{schedules.database.url_as("scheduler")};
  for (auto const* name : {cleanup, "tick.qa", "tick.monitor"}) schedules.due(name);
  pqxx::connection locking{schedules.database.url()};
  pqxx::work held{locking};
  held.exec("SELECT 1 FROM pipeline.schedules FOR UPDATE");
  auto const claim = [](pqxx::connection& connection) {
    return std::async(std::launch::async, [&connection] { return claim_due(connection); });
  };
  auto first = claim(schedules.connection);
  auto other = claim(second);
  schedules.await_waiting(2);  // both have read what is due
  held.commit();
  CHECK(first.get() + other.get() == 3);
  CHECK(schedules.waiting() == 3);
}

TEST_CASE("a schedule that is disabled or moved while it is claimed does not tick") {
  for (auto const* change : {"enabled = false", "next_at = NULL", "next_at = next_at - interval '1 ms'"}) {
    CAPTURE(change);
    TestSchedules schedules;
    schedules.due(cleanup);
    pqxx::connection operating{schedules.database.url_as("operator")};
    pqxx::work held{operating};
    held.exec(std::string{"UPDATE pipeline.schedules SET "} + change + " WHERE name = 'tick.sessions.cleanup'");
    auto claimed = std::async(std::launch::async, [&] { return claim_due(schedules.connection); });
    schedules.await_waiting(1);
    held.commit();
    CHECK(claimed.get() == 0);
    CHECK(schedules.waiting() == 0);
  }
}

TEST_CASE("a disabled schedule does not tick, and one that is enabled again is not behind") {
  TestSchedules schedules;
  schedules.due(cleanup, 3'600'000);
  schedules.execute("UPDATE pipeline.schedules SET enabled = false");
  CHECK(claim_due(schedules.connection) == 0);
  schedules.execute("UPDATE pipeline.schedules SET enabled = true, next_at = NULL");
  CHECK(claim_due(schedules.connection) == 0);
  CHECK(schedules.ask("SELECT bool_and(next_at > now() - interval '10 seconds') FROM pipeline.schedules") == "t");
}

TEST_CASE("what is no schedule is refused by the table") {
  TestSchedules schedules;
  for (auto const* values :
       {"('qa', NULL, '02:00')", "('tick.Qa', NULL, '02:00')", "('tick.', NULL, '02:00')", "('tick.a', NULL, NULL)",
        "('tick.a', '1 hour', '02:00')", "('tick.a', '0', NULL)", "('tick.a', '-1 hour', NULL)",
        "('tick.a', '1 month', NULL)", "('tick.a', '2 days', NULL)", "('tick.a', NULL, '24:00')",
        "('tick.a', NULL, 'Sunday 03:00')", "('tick.a', NULL, '2:00')"})
    CHECK_THROWS_AS(schedules.execute(std::string{"INSERT INTO pipeline.schedules (name, every, at) VALUES "} + values),
                    pqxx::check_violation);
}

TEST_CASE("a schedule that this program cannot read does not stop the others") {
  TestSchedules schedules;
  schedules.execute("ALTER TABLE pipeline.schedules DROP CONSTRAINT schedules_at_check");
  schedules.execute("INSERT INTO pipeline.schedules (name, at, next_at) VALUES ('tick.a', 'noon', now())");
  schedules.due(cleanup);
  CHECK(claim_due(schedules.connection) == 1);
}

TEST_CASE("one session has the right to tick, and the next one has it when that session ends") {
  TestSchedules schedules;
  auto first = std::make_unique<pqxx::connection>(schedules.database.url_as("scheduler"));
  pqxx::connection second{schedules.database.url_as("scheduler")};
  CHECK(become_active(*first));
  CHECK_FALSE(become_active(second));
  first.reset();
  CHECK(eventually([&] { return become_active(second); }));
}

TEST_CASE("a scheduler that is silent for too long loses its right and its connection, also within a transaction") {
  TestSchedules schedules;
  for (auto const within_transaction : {false, true}) {
    CAPTURE(within_transaction);
    pqxx::connection paused{schedules.database.url_as("scheduler")};
    end_when_silent(paused, std::chrono::milliseconds{100});
    REQUIRE(eventually([&] { return become_active(paused); }));
    schedules.due(cleanup);
    std::optional<pqxx::work> open;
    if (within_transaction) {
      open.emplace(paused);
      CHECK(read_due(*open).size() == 1);
    }
    pqxx::connection standby{schedules.database.url_as("scheduler")};
    CHECK(eventually([&] { return become_active(standby); }));
    CHECK(claim_due(standby) == 1);
    open.reset();
    CHECK_THROWS_AS(claim_due(paused), pqxx::broken_connection);
  }
  CHECK(schedules.waiting() == 2);
}

TEST_CASE("a tick is published with the number of due times that passed, also by another scheduler, and is removed") {
  Ticking ticking;
  ticking.execute(
      "UPDATE pipeline.schedules SET next_at = date_bin('15 minutes', now(), 'epoch') - interval '3 days'"
      " WHERE name = 'tick.sessions.cleanup'");
  CHECK(claim_due(ticking.connection) == 1);
  auto const due =
      parse_time_ms(ticking.ask("SELECT to_char(last_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
                                " FROM pipeline.schedules WHERE name = 'tick.sessions.cleanup'"))
          .value();
  CHECK(ticking.publish() == 1);
  CHECK(ticking.publish() == 0);
  CHECK(ticking.waiting() == 0);
  auto const records = read_until(ticking.broker, "ops.ticks", [&](auto const& all) {
    return !all.empty() && header_of(all.back(), "ce_id") == to_string(tick_id(cleanup, due));
  });
  REQUIRE_FALSE(records.empty());
  CHECK(records.back().key == cleanup);
  CHECK(records.back().value == R"({"due_at":")" + format_time_ms(due) + R"(","missed":288})");
}

TEST_CASE("while the broker is away ticks are handed over once, and schedules wait") {
  Ticking ticking;
  if (ticking.broker.embedded() == nullptr) return;  // no other broker goes away when it is told to
  constexpr std::chrono::milliseconds impatient{50};
  ticking.broker.embedded()->set_down(1);
  ticking.due(cleanup);
  CHECK(claim_due(ticking.connection) == 1);
  CHECK(ticking.publish(impatient) == 0);
  for (auto i = 0; i < 3; ++i) CHECK_THROWS_AS(ticking.publish(impatient), std::runtime_error);
  CHECK(ticking.producer.in_flight() == 1);
  CHECK(ticking.waiting() == 1);
  ticking.broker.embedded()->set_up(1);
  CHECK(ticking.publish() == 1);  // that of the first time was taken, but nobody knew when it was
  CHECK(ticking.waiting() == 0);
}

TEST_CASE("the scheduler moves schedules on and does nothing else with them") {
  TestSchedules schedules;
  auto const is_refused = [&](std::string_view role, std::string const& sql) {
    pqxx::connection connection{schedules.database.url_as(role)};
    try {
      pqxx::nontransaction{connection}.exec(sql);
      return false;
    } catch (pqxx::insufficient_privilege const&) {
      return true;
    }
  };
  CHECK(is_refused("scheduler", "UPDATE pipeline.schedules SET enabled = true"));
  CHECK(is_refused("scheduler", "DELETE FROM pipeline.schedules"));
  CHECK(is_refused("operator", "UPDATE pipeline.schedules SET last_at = now()"));
  CHECK(is_refused("operator", "UPDATE pipeline.schedules SET every = '1 hour'"));
  CHECK(is_refused("readonly", "UPDATE pipeline.schedules SET enabled = true"));
  CHECK(is_refused("gateway", "SELECT 1 FROM pipeline.schedules"));
  CHECK_FALSE(is_refused("operator", "UPDATE pipeline.schedules SET enabled = false"));
  CHECK_FALSE(is_refused("readonly", "SELECT 1 FROM pipeline.schedules"));
}
