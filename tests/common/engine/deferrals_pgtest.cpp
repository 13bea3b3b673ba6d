// Events that are deferred for long wait in the database, and hold up nothing but their key.
#include "postgres/fence.hpp"
#include "tests/common/engine/deferring.hpp"
#include "victim.hpp"

#include <atomic>
#include <set>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::engine;
using namespace omnibus::engine::test;
using namespace std::chrono_literals;

namespace {

constexpr int keys = 5;

std::vector<kafka::Record> of_key(std::string const& topic, std::string const& key, int first, int last) {
  std::vector<kafka::Record> records;
  for (auto number = first; number < last; ++number) records.push_back(event(topic, key, number));
  return records;
}

void check_all(ClosingDatabase const& database, int per_key) {
  for (auto const& each : database.by_key()) {
    auto const& key = each.first;
    CAPTURE(key);
    CHECK(each.second == numbers(per_key));
  }
  CHECK(database.effects() == keys * per_key);
}

/// A topic with one partition, and a group for it.
struct Scene {
  Broker broker{{.session_timeout = 1500ms, .heartbeat_interval = 200ms}};
  ClosingDatabase database;
  std::string topic = broker.topic(1);
  std::string group = "deferring-" + topic;

  DatabaseEngine engine(EngineSettings settings = deferring(), Handle handle = write_unless_closed) {
    return {broker, database.url_as("chat"), topic, group, each(std::move(handle)), settings};
  }
};

}  // namespace

TEST_CASE("a deferred event waits in the database, the offset passes it, and its key goes on in order once it is due") {
  Scene scene;
  scene.database.close("key-0");
  REQUIRE(publish(scene.broker, numbered_events(scene.topic, keys, 80)));
  auto engine = scene.engine();
  CHECK(scene.database.await_effects((keys - 1) * 80));
  CHECK(scene.database.await_rows(80));
  CHECK(eventually([&] { return committed(scene.broker, scene.group, scene.topic) == keys * 80; }));
  CHECK(eventually([&] { return engine.counters().queued == 0; }));
  CHECK(eventually([&] { return engine.counters().deferred_records == 80; }));
  // Later ones line up behind them.
  REQUIRE(publish(scene.broker, of_key(scene.topic, "key-0", 80, 100)));
  CHECK(scene.database.await_rows(100));
  scene.database.open("key-0");
  REQUIRE(publish(scene.broker, of_key(scene.topic, "key-0", 100, 120)));
  CHECK(scene.database.await_effects((keys - 1) * 80 + 120));
  CHECK(scene.database.await_no_rows());
  CHECK(eventually([&] { return engine.counters().deferred_records == 0; }));
  CHECK(eventually([&] { return engine.counters().deferred_oldest_ms == 0; }));
  // It is a key like others again.
  REQUIRE(publish(scene.broker, of_key(scene.topic, "key-0", 120, 130)));
  CHECK(scene.database.await_effects((keys - 1) * 80 + 130));
  engine.stop();
  CHECK(scene.database.by_key()["key-0"] == numbers(130));
  CHECK(engine.counters().dead_lettered == 0);
  CHECK(engine.counters().handled == (keys - 1) * 80 + 130);
}

TEST_CASE("another engine finds what waits, does not read it from the topic, and tries it soon with its former age") {
  Scene scene;
  scene.database.close("key-0");
  REQUIRE(publish(scene.broker, numbered_events(scene.topic, keys, 20)));
  {
    auto first = scene.engine();
    CHECK(scene.database.await_effects((keys - 1) * 20));
    CHECK(scene.database.await_rows(20));
    CHECK(eventually([&] { return first.counters().deferred >= 5; }));
  }
  CHECK(scene.database.rows() == 20);
  CHECK(committed(scene.broker, scene.group, scene.topic) == keys * 20);
  REQUIRE(publish(scene.broker, of_key(scene.topic, "key-0", 20, 30)));
  scene.database.execute(
      "UPDATE pipeline.deferred_records SET arrived_at = arrived_at - interval '1 day',"
      " first_failed_at = first_failed_at - interval '1 day', due_at = due_at + interval '1 day'");
  std::atomic<int> seen = 0;
  auto second = scene.engine(deferring(), [&](Context& context) -> Task<> {
    if (context.data() == "0") {
      CHECK(context.deferred());
      CHECK(context.attempt() == 1);
      CHECK(context.waiting_for() > 24h);
      CHECK(context.failing_for() > 24h);
      ++seen;
    }
    auto writing = write_unless_closed(context);
    co_await std::move(writing);
  });
  CHECK(eventually([&] { return seen >= 3; }));
  CHECK(eventually([&] { return second.counters().deferred_oldest_ms > 86'400'000; }));
  CHECK(scene.database.await_rows(30));
  scene.database.open("key-0");
  CHECK(scene.database.await_effects((keys - 1) * 20 + 30));
  CHECK(scene.database.await_no_rows());
  second.stop();
  CHECK(second.counters().handled == 30);
  CHECK(scene.database.by_key()["key-0"] == numbers(30));
}

#ifdef OMNIBUS_FAILPOINTS
TEST_CASE("a worker killed before, between and after the steps of a deferral doubles and reorders nothing") {
  Scene scene;
  scene.database.close("key-0");
  REQUIRE(publish(scene.broker, numbered_events(scene.topic, keys, 20)));
  auto const dies_at = [&](std::string const& point, std::string const& interval_ms = "20") {
    CAPTURE(point);
    Victim victim{scene.broker,
                  scene.database.url_as("chat"),
                  scene.topic,
                  scene.group,
                  {"OMNIBUS_FAILPOINT=" + point, "OMNIBUS_TEST_DEFERS=" + interval_ms}};
    CHECK(victim.ended());
  };
  // Late enough for offsets to be committed that pass nothing of what is not written.
  dies_at("deferred.write", "1000");
  CHECK(committed(scene.broker, scene.group, scene.topic) <= 0);
  CHECK(scene.database.rows() == 0);
  dies_at("deferred.written");
  CHECK(scene.database.rows() > 0);
  dies_at("deferred.written:3");
  scene.database.open("key-0");
  dies_at("deferred.handled");
  CHECK(scene.database.rows() > 0);
  auto last = scene.engine();
  CHECK(scene.database.await_effects(keys * 20));
  CHECK(scene.database.await_no_rows());
  last.stop();
  check_all(scene.database, 20);
  CHECK(scene.database.inbox() == keys * 20);
}
#endif

TEST_CASE("a row that waits for a retry keeps no other key's rows from being read") {
  Scene scene;
  REQUIRE(publish(scene.broker, numbered_events(scene.topic, 2, 1)));
  auto settings = deferring();
  settings.max_in_flight = 1;
  settings.recoverability.longest_requested = 1h;
  std::atomic<bool> retries = false;
  auto engine = scene.engine(settings, [&](Context& context) -> Task<> {
    if (!context.deferred() || (context.key() == "key-1" && !retries)) throw Failure::deferred("later", 1ms);
    if (context.key() == "key-0") {
      retries = true;
      throw Failure::transient("much later", 1h);
    }
    auto writing = write_unless_closed(context);
    co_await std::move(writing);
  });
  CHECK(scene.database.await_effects(1));
  CHECK(retries);
}

TEST_CASE("a partition with too many deferred keys is paused, and read on once half of them are done") {
  Scene scene;
  constexpr int many = 1'000;
  REQUIRE(publish(scene.broker, numbered_events(scene.topic, many, 1)));
  auto settings = deferring();
  settings.max_queued_bytes = 512 << 10;  // a quarter of it is for some 700 deliveries or keys
  settings.recoverability.longest_requested = 1h;
  {
    auto engine = scene.engine(settings, [](Context&) -> Task<> {
      throw Failure::deferred("later", 1h);
      co_return;
    });
    REQUIRE(eventually([&] { return engine.counters().deferred_records > 600 && engine.counters().queued == 0; }));
    CHECK(eventually([&] { return engine.counters().partitions_paused == 1; }));
    engine.stop();
  }
  auto engine = scene.engine(settings);
  REQUIRE(publish(scene.broker, of_key(scene.topic, "late", 0, 1)));
  CHECK(scene.database.await_effects(many + 1));
  CHECK(eventually([&] { return engine.counters().partitions_paused == 0; }));
  CHECK(scene.database.await_no_rows());
}

TEST_CASE("an owner that was fenced writes no row before the partition is its own again") {
  Scene scene;
  if (scene.broker.embedded() == nullptr) return;
  REQUIRE(publish(scene.broker, numbered_events(scene.topic, keys, 20)));
  std::atomic<bool> reached = false;
  std::atomic<bool> passed = false;
  std::atomic<bool> closed = true;
  auto engine = scene.engine(deferring(), [&](Context& context) -> Task<> {
    if (context.key() == "key-0" && context.data() == "5" && closed) {
      reached = true;
      while (!passed) {
        auto waiting = pause(1ms);
        co_await std::move(waiting);
      }
      throw Failure::deferred("closed");
    }
    auto writing = write_unless_closed(context);
    co_await std::move(writing);
  });
  REQUIRE(eventually([&] { return reached.load(); }));
  REQUIRE(scene.database.await_effects((keys - 1) * 20 + 5));
  pqxx::connection connection{scene.database.url_as("chat")};
  postgres::take_over(connection, worker_name, {{scene.topic, 0}}, "somebody else");
  constexpr std::int16_t offset_commit = 8;
  scene.broker.embedded()->fail_next(offset_commit, RD_KAFKA_RESP_ERR_UNKNOWN, 3);
  passed = true;
  CHECK(eventually([&] { return engine.counters().fenced == 1; }));
  CHECK(scene.database.number("SELECT count(*) FROM pipeline.deferred_records d JOIN pipeline.fence f"
                              " USING (consumer, topic, partition) WHERE f.owner = 'somebody else'") == 0);
  CHECK(scene.database.await_rows(15));
  CHECK(scene.database.number("SELECT epoch FROM pipeline.fence") == 3);
  closed = false;
  CHECK(scene.database.await_effects(keys * 20));
  engine.stop();
  check_all(scene.database, 20);
}

TEST_CASE("an owner that is fenced before it has read a record commits the position that it was given") {
  Scene scene;
  if (scene.broker.embedded() == nullptr) return;
  scene.database.close("key-0");
  REQUIRE(publish(scene.broker, numbered_events(scene.topic, keys, 10)));
  {
    auto first = scene.engine();
    CHECK(scene.database.await_effects((keys - 1) * 10));
    CHECK(scene.database.await_rows(10));
  }
  REQUIRE(committed(scene.broker, scene.group, scene.topic) == keys * 10);
  auto second = scene.engine();
  REQUIRE(eventually([&] { return second.counters().deferred_records == 10; }));
  pqxx::connection connection{scene.database.url_as("chat")};
  postgres::take_over(connection, worker_name, {{scene.topic, 0}}, "somebody else");
  scene.database.open("key-0");
  REQUIRE(eventually([&] { return second.counters().fenced == 1; }));
  CHECK(scene.database.await_effects(keys * 10));  // after the group has confirmed it
  CHECK(committed(scene.broker, scene.group, scene.topic) == keys * 10);
  second.stop();
  check_all(scene.database, 10);
}

TEST_CASE("records that retention removed while they waited are missed, and their key goes on") {
  Scene scene;
  scene.database.close("key-0");
  REQUIRE(publish(scene.broker, numbered_events(scene.topic, keys, 10)));
  {
    auto first = scene.engine();
    CHECK(scene.database.await_rows(10));
  }
  // As if other records were there now.
  scene.database.execute("UPDATE pipeline.deferred_records SET record_ms = record_ms - 1 WHERE record_offset < 3 * 5");
  scene.database.open("key-0");
  auto second = scene.engine();
  CHECK(scene.database.await_effects(keys * 10 - 3));
  CHECK(scene.database.await_no_rows());
  second.stop();
  CHECK(second.counters().records_missed.load() == 3);
}

TEST_CASE(
    "whatever is deferred and whenever engines stop or stand still, each key's events take effect once, in order") {
  constexpr int per_key = 24;
  std::mt19937_64 random{20261130};
  for (auto round = 0; round < 2; ++round) {
    CAPTURE(round);
    Scene scene;
    std::atomic<bool> calm = false;
    std::mt19937_64 of_handler{random()};
    auto const handle = [&](Context& context) -> Task<> {
      if (!calm && of_handler() % 4 == 0) throw Failure::deferred("by chance");
      auto writing = write_unless_closed(context);
      co_await std::move(writing);
    };
    auto settings = deferring();
    settings.long_deferral = 15ms;  // some wait in memory
    for (auto part = 0; part < 4; ++part) {
      REQUIRE(publish(scene.broker, numbered_events(scene.topic, keys, per_key / 4, part * per_key / 4)));
      auto engine = scene.engine(settings, handle);
      auto const wanted = scene.database.effects() + static_cast<std::int64_t>(random() % (keys * per_key / 4));
      CHECK(scene.database.await_effects(wanted));
      if (random() % 2 == 0) engine.crash();
    }
    calm = true;
    auto last = scene.engine(settings, handle);
    CHECK(scene.database.await_effects(keys * per_key));
    CHECK(scene.database.await_no_rows());
    last.stop();
    check_all(scene.database, per_key);
    CHECK(last.counters().dead_lettered == 0);
  }
}
