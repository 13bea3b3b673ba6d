#include "database_fixture.hpp"
#include "postgres/errors.hpp"
#include "postgres/fence.hpp"
#include "postgres/inbox.hpp"
#include "postgres/unit.hpp"

#include <future>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::postgres;

namespace {

/// A worker with one table, which has taken partition 0 of its topic over.
struct Worker {
  Worker() : connection{database.url_as("chat")} {
    pqxx::connection admin{database.url()};
    pqxx::nontransaction{admin}.exec("CREATE TABLE effects (event_id text); GRANT ALL ON effects TO omnibus_chat");
    key.epoch = take_over(connection, "chat", {{"chat.messages", 0}}, "first").at(0);
  }

  std::function<void(OpenUnit&)> effect() const {
    return [event = to_string(key.event_id)](OpenUnit& unit) {
      unit.transaction().exec("INSERT INTO effects VALUES ($1)", pqxx::params{event});
    };
  }

  std::int64_t count(std::string const& table) const {
    pqxx::connection reader{database.url()};
    return pqxx::nontransaction{reader}.query_value<std::int64_t>("SELECT count(*) FROM " + table);
  }

  /// From now on the session that commits an effect is ended while it does.
  void die_in_commit() const {
    pqxx::connection admin{database.url()};
    pqxx::nontransaction{admin}.exec(R"(
      CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
      $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
      CREATE CONSTRAINT TRIGGER die AFTER INSERT ON effects DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION die();)");
  }

  test::TestDatabase database;
  pqxx::connection connection;
  AdmitKey key{"chat", {}, random_uuid(), "chat.messages", 0, 0};
};

Record reply(std::string value) {
  return {"chat.replies", "key", std::move(value), {{"ce_id", "7"}}, std::nullopt};
}

}  // namespace

TEST_CASE("a unit of work writes the inbox row, the business rows and the outbox rows together") {
  Worker worker;
  auto const result = run_unit(worker.connection, worker.key, [&](OpenUnit& unit) {
    worker.effect()(unit);
    unit.publish(reply("one"));
    unit.publish({"chat.replies", std::nullopt, std::nullopt, {{"absent", std::nullopt}}, 3});
  });
  REQUIRE(result.outcome == CommitOutcome::committed);
  REQUIRE(result.published.size() == 2);
  CHECK(result.published[0].record == reply("one"));
  CHECK(result.published[0].id < result.published[1].id);
  CHECK(worker.count("effects") == 1);
  CHECK(worker.count("pipeline.inbox") == 1);

  pqxx::work transaction{worker.connection};
  CHECK(take_unpublished(transaction, {"chat", "chat.messages", 0}, 10) == result.published);
}

TEST_CASE("a second claimant of the same event writes nothing") {
  Worker worker;
  CHECK(run_unit(worker.connection, worker.key, worker.effect()).outcome == CommitOutcome::committed);
  auto const again = run_unit(worker.connection, worker.key, [](OpenUnit&) { FAIL("ran twice"); });
  CHECK(again.outcome == CommitOutcome::duplicate);
  CHECK(worker.count("effects") == 1);
}

TEST_CASE("of two claimants at once one waits for the other, and writes when the other did not") {
  for (bool const first_commits : {true, false}) {
    CAPTURE(first_commits);
    Worker worker;
    pqxx::connection other{worker.database.url_as("chat")};
    pqxx::connection observer{worker.database.url()};
    std::promise<CommitOutcome> second;
    std::thread claimant;
    try {
      run_unit(worker.connection, worker.key, [&](OpenUnit& unit) {
        worker.effect()(unit);
        claimant = std::thread([&] { second.set_value(run_unit(other, worker.key, worker.effect()).outcome); });
        test::await_lock_wait(observer);
        if (!first_commits) throw std::runtime_error("the work failed");
      });
    } catch (std::runtime_error const&) {
      CHECK_FALSE(first_commits);
    }
    CHECK(second.get_future().get() == (first_commits ? CommitOutcome::duplicate : CommitOutcome::committed));
    claimant.join();
    CHECK(worker.count("effects") == 1);
  }
}

TEST_CASE("work that fails leaves nothing behind, and the connection usable") {
  Worker worker;
  CHECK_THROWS_WITH(run_unit(worker.connection, worker.key,
                             [&](OpenUnit& unit) {
                               worker.effect()(unit);
                               unit.publish(reply("lost"));
                               throw std::runtime_error("changed my mind");
                             }),
                    "changed my mind");
  CHECK(worker.count("effects") + worker.count("pipeline.inbox") + worker.count("pipeline.outbox") == 0);
  CHECK(run_unit(worker.connection, worker.key, worker.effect()).outcome == CommitOutcome::committed);
}

TEST_CASE("a failed statement that the work has swallowed is no commit") {
  Worker worker;
  auto const swallow = [](OpenUnit& unit) {
    try {
      unit.transaction().exec("SELECT 1 / 0");
    } catch (pqxx::sql_error const&) {
    }
  };
  CHECK_THROWS_AS(run_unit(worker.connection, worker.key, swallow), pqxx::sql_error);
  CHECK(worker.count("pipeline.inbox") == 0);
}

TEST_CASE("a unit whose outbox rows are refused leaves the connection usable") {
  Worker worker;
  pqxx::connection admin{worker.database.url()};
  pqxx::nontransaction{admin}.exec("ALTER TABLE pipeline.outbox ADD CHECK (key <> 'key')");  // as a full disk would
  auto rows = 0;
  SUBCASE("one") {
    rows = 1;
  }
  SUBCASE("so many that they are copied") {
    rows = 100;
  }
  auto const publish = [&](OpenUnit& unit) {
    for (auto i = 0; i < rows; ++i) unit.publish(reply("one"));
  };
  CHECK_THROWS_AS(run_unit(worker.connection, worker.key, publish), pqxx::sql_error);
  CHECK(run_unit(worker.connection, worker.key, worker.effect()).outcome == CommitOutcome::committed);
  CHECK(worker.count("effects") == 1);
}

TEST_CASE("a take-over waits for the running transaction and fences every later one") {
  Worker worker;
  pqxx::connection successor{worker.database.url_as("chat")};
  pqxx::connection observer{worker.database.url()};
  std::promise<std::int64_t> taken;
  auto epoch = taken.get_future();
  std::thread taker;
  auto const result = run_unit(worker.connection, worker.key, [&](OpenUnit& unit) {
    worker.effect()(unit);
    taker = std::thread([&] { taken.set_value(take_over(successor, "chat", {{"chat.messages", 0}}, "second").at(0)); });
    test::await_lock_wait(observer);
    CHECK(epoch.wait_for(std::chrono::seconds{0}) == std::future_status::timeout);
  });
  CHECK(result.outcome == CommitOutcome::committed);
  auto const new_epoch = epoch.get();
  taker.join();
  CHECK(new_epoch == worker.key.epoch + 1);

  auto later = worker.key;
  later.event_id = random_uuid();
  CHECK(run_unit(worker.connection, later, [](OpenUnit&) { FAIL("a zombie wrote"); }).outcome == CommitOutcome::fenced);
  later.epoch = new_epoch;
  CHECK(run_unit(successor, later, worker.effect()).outcome == CommitOutcome::committed);
}

TEST_CASE("a transaction that begins while a take-over is under way is fenced, not admitted under the old epoch") {
  Worker worker;
  pqxx::connection zombie{worker.database.url_as("chat")};
  pqxx::connection observer{worker.database.url()};
  pqxx::work handover{worker.connection};
  handover.exec("SELECT pipeline.take_over('chat', 'chat.messages', 0, 'second')");
  auto late = std::async(std::launch::async, [&] { return run_unit(zombie, worker.key, worker.effect()).outcome; });
  test::await_lock_wait(observer);
  handover.commit();
  CHECK(late.get() == CommitOutcome::fenced);
  CHECK(worker.count("effects") == 0);
}

TEST_CASE("many partitions are taken over in one call, in the order asked for") {
  Worker worker;
  auto const take = [&] {
    return take_over(worker.connection, "chat", {{"b", 1}, {"chat.messages", 0}, {"a", 7}}, "it's me");
  };
  CHECK(take() == std::vector<std::int64_t>{1, worker.key.epoch + 1, 1});
  CHECK(take() == std::vector<std::int64_t>{2, worker.key.epoch + 2, 2});
}

TEST_CASE("a connection lost during COMMIT leaves the unit in doubt, and running it again settles it") {
  Worker worker;
  worker.die_in_commit();
  try {
    run_unit(worker.connection, worker.key, worker.effect());
    FAIL("committed");
  } catch (std::exception const& error) {
    CHECK(classify_database_error(error) == DatabaseError::in_doubt);
  }
  pqxx::connection again{worker.database.url()};
  CHECK_FALSE(was_processed(again, "chat", {}, worker.key.event_id));
  pqxx::nontransaction{again}.exec("DROP TRIGGER die ON effects");
  CHECK(run_unit(again, worker.key, worker.effect()).outcome == CommitOutcome::committed);
  CHECK(was_processed(again, "chat", {}, worker.key.event_id));
  CHECK(worker.count("effects") == 1);
}

TEST_CASE("a COMMIT that the server answers with the end of the session is in doubt, one that it refuses is not") {
  auto const answered_with = [](std::string const& sqlstate) {
    Worker worker;
    pqxx::connection admin{worker.database.url()};
    pqxx::nontransaction{admin}.exec(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'no' USING ERRCODE = '" +
        sqlstate +
        "'; END $$; "
        "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON effects DEFERRABLE INITIALLY "
        "DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse();");
    try {
      run_unit(worker.connection, worker.key, worker.effect());
    } catch (std::exception const& error) {
      return to_string(classify_database_error(error));
    }
    return std::string_view{"committed"};
  };
  // Raised by hand, so the connection stays open: the SQLSTATE alone has to tell.
  for (auto const* ended : {"57P01", "57P02", "57P03"}) {
    CAPTURE(ended);
    CHECK(answered_with(ended) == "in_doubt");
  }
  CHECK(answered_with("23514") == "permanent");
  CHECK(answered_with("40001") == "transient");
  CHECK(answered_with("57014") == "transient");
}

TEST_CASE("the read-back of a commit in doubt waits while the server is still at it") {
  Worker worker;
  pqxx::connection asking{worker.database.url_as("chat")};
  pqxx::connection observer{worker.database.url()};
  std::future<bool> answer;
  run_unit(worker.connection, worker.key, [&](OpenUnit&) {
    answer = std::async(std::launch::async, [&] { return was_processed(asking, "chat", {}, worker.key.event_id); });
    test::await_lock_wait(observer);
  });
  CHECK(answer.get());
  CHECK(worker.count("pipeline.inbox") == 1);
}

TEST_CASE("each replay run has an inbox of its own") {
  Worker worker;
  CHECK(run_unit(worker.connection, worker.key, worker.effect()).outcome == CommitOutcome::committed);
  worker.key.run_id = random_uuid();
  CHECK(run_unit(worker.connection, worker.key, worker.effect()).outcome == CommitOutcome::committed);
  CHECK(run_unit(worker.connection, worker.key, worker.effect()).outcome == CommitOutcome::duplicate);
}

TEST_CASE("a unit may publish more records than one block of ids holds") {
  Worker worker;
  auto const result = run_unit(worker.connection, worker.key, [](OpenUnit& unit) {
    for (int i = 0; i < 1500; ++i) unit.publish(reply(std::to_string(i)));
  });
  CHECK(result.published.size() == 1500);
  for (std::size_t i = 1; i < result.published.size(); ++i) {
    if (result.published[i - 1].id >= result.published[i].id) FAIL("ids out of order at " << i);
  }
  CHECK(worker.count("pipeline.outbox") == 1500);
}

TEST_CASE("a batch is admitted in one statement that tells which of its events are new") {
  Worker worker;
  auto const other_epoch = take_over(worker.connection, "chat", {{"chat.messages", 1}}, "first").at(0);
  CHECK(run_unit(worker.connection, worker.key, worker.effect()).outcome == CommitOutcome::committed);
  BatchKey batch{"chat", {}, {{"chat.messages", 0, worker.key.epoch}, {"chat.messages", 1, other_epoch}}, {}};
  auto const one = random_uuid();
  batch.event_ids = {one, worker.key.event_id, random_uuid(), one};
  auto const result = run_batch_unit(worker.connection, batch, [](OpenUnit& unit, std::vector<bool> const& is_new) {
    CHECK(is_new == std::vector<bool>{true, false, true, false});
    unit.publish(reply("batch"));
  });
  CHECK(result.outcome == CommitOutcome::committed);
  CHECK(worker.count("pipeline.inbox") == 3);
  CHECK(worker.count("pipeline.outbox") == 1);

  auto const must_not_run = [](OpenUnit&, std::vector<bool> const&) { FAIL("ran"); };
  CHECK(run_batch_unit(worker.connection, batch, must_not_run).outcome == CommitOutcome::duplicate);
  batch.event_ids.push_back(random_uuid());
  take_over(worker.connection, "chat", {{"chat.messages", 1}}, "second");
  CHECK(run_batch_unit(worker.connection, batch, must_not_run).outcome == CommitOutcome::fenced);
  CHECK(worker.count("pipeline.inbox") == 3);
}

namespace {

/// Units of `worker`, each of an event of its own, that write its effect and a reply.
std::vector<Unit> units_of(Worker const& worker, std::size_t count) {
  std::vector<Unit> units;
  for (std::size_t i = 0; i < count; ++i) {
    auto key = worker.key;
    key.event_id = random_uuid();
    units.push_back({key, [event = to_string(key.event_id)](OpenUnit& unit) {
                       unit.transaction().exec("INSERT INTO effects VALUES ($1)", pqxx::params{event});
                       unit.publish(reply(event));
                     }});
  }
  return units;
}

std::vector<CommitResult> run_all(pqxx::connection& connection, std::vector<Unit> const& units) {
  std::vector<Unit const*> pointers;
  pointers.reserve(units.size());
  for (auto const& unit : units) pointers.push_back(&unit);
  return run_units(connection, pointers);
}

std::vector<CommitOutcome> outcomes_of(std::vector<CommitResult> const& results) {
  std::vector<CommitOutcome> outcomes;
  outcomes.reserve(results.size());
  for (auto const& result : results) outcomes.push_back(result.outcome);
  return outcomes;
}

}  // namespace

TEST_CASE("units that share a transaction are each admitted by their own right, and their rows are their partition's") {
  Worker worker;
  auto const other_epoch = take_over(worker.connection, "chat", {{"chat.messages", 1}}, "first").at(0);
  CHECK(run_unit(worker.connection, worker.key, worker.effect()).outcome == CommitOutcome::committed);
  auto units = units_of(worker, 5);
  units[0].key.epoch -= 1;                        // a zombie's
  units[1].key.event_id = worker.key.event_id;    // handled before
  units[3].key.event_id = units[2].key.event_id;  // the same event twice
  units[4].key.partition = 1;
  units[4].key.epoch = other_epoch;
  auto const results = run_all(worker.connection, units);
  CHECK(outcomes_of(results) == std::vector{CommitOutcome::fenced, CommitOutcome::duplicate, CommitOutcome::committed,
                                            CommitOutcome::duplicate, CommitOutcome::committed});
  CHECK(worker.count("effects") == 3);
  CHECK(worker.count("pipeline.inbox") == 3);
  pqxx::work transaction{worker.connection};
  CHECK(take_unpublished(transaction, {"chat", "chat.messages", 0}, 10) == results[2].published);
  CHECK(take_unpublished(transaction, {"chat", "chat.messages", 1}, 10) == results[4].published);
  CHECK(results[2].published.size() + results[4].published.size() == 2);
}

TEST_CASE("where one of the units that share a transaction fails, none is committed and the connection is usable") {
  Worker worker;
  auto units = units_of(worker, 3);
  units[1].work = [](OpenUnit& unit) { unit.transaction().exec("SELECT 1 / 0"); };
  CHECK_THROWS_AS(run_all(worker.connection, units), pqxx::sql_error);
  CHECK(worker.count("effects") + worker.count("pipeline.inbox") + worker.count("pipeline.outbox") == 0);
  units.erase(units.begin() + 1);
  CHECK(outcomes_of(run_all(worker.connection, units)) ==
        std::vector{CommitOutcome::committed, CommitOutcome::committed});
}

TEST_CASE("a unit that has to wait for a lock gives up its company, which need not wait with it") {
  Worker worker;
  auto const units = units_of(worker, 3);
  pqxx::connection admin{worker.database.url()};
  pqxx::work holder{admin};
  holder.exec("INSERT INTO pipeline.inbox (consumer, event_id) VALUES ('chat', $1)",
              pqxx::params{to_string(units[1].key.event_id)});
  CHECK_THROWS_AS(run_all(worker.connection, units), pqxx::sql_error);  // and not after the pool's many seconds
  CHECK(run_unit(worker.connection, units[0].key, units[0].work).outcome == CommitOutcome::committed);
  holder.commit();
  CHECK(run_unit(worker.connection, units[1].key, units[1].work).outcome == CommitOutcome::duplicate);
}

TEST_CASE("units that share a transaction may publish more records than one block of ids holds") {
  Worker worker;
  auto units = units_of(worker, 3);
  for (auto& unit : units)
    unit.work = [](OpenUnit& mine) {
      for (int i = 0; i < 700; ++i) mine.publish(reply(std::to_string(i)));
    };
  std::int64_t last = 0;
  for (auto const& result : run_all(worker.connection, units)) {
    REQUIRE(result.published.size() == 700);
    for (auto const& row : result.published) {
      if (row.id <= last) FAIL("ids out of order at " << row.id);
      last = row.id;
    }
  }
  CHECK(worker.count("pipeline.outbox") == 2100);
}

TEST_CASE("a connection lost during the COMMIT of several units leaves each of them in doubt") {
  Worker worker;
  auto const units = units_of(worker, 2);
  worker.die_in_commit();
  CHECK_THROWS_AS(run_all(worker.connection, units), pqxx::in_doubt_error);
}
