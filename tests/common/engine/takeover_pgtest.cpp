// The fence between owners of one partition, and what an earlier owner leaves behind.
#include "postgres/fence.hpp"
#include "postgres/unit.hpp"
#include "tests/common/engine/database_engine.hpp"
#include "tests/common/engine/topic_reader.hpp"

#include <set>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::engine;
using namespace omnibus::engine::test;
using namespace std::chrono_literals;

namespace {

/// Makes somebody else the owner of a partition, as far as PostgreSQL is concerned. @return the new epoch.
std::int64_t usurp(EffectDatabase const& database, std::string const& topic, std::int32_t partition = 0) {
  pqxx::connection connection{database.url_as("chat")};
  return postgres::take_over(connection, worker_name, {{topic, partition}}, "somebody else").at(0);
}

/// A handler that stops before the commit of one event's first attempt until it is let through.
struct Checkpoint {
  Task<> handle(Context& context) {
    if (context.data() == "5") ++attempts;
    if (context.data() == "5" && attempts == 1) {
      reached = true;
      while (!passed) {
        auto waiting = pause(1ms);
        co_await std::move(waiting);
      }
    }
    auto committing = context.commit([&, write = effect_of(context), here = context.data() == "5"](auto& unit) {
      if (here) ++works;
      write(unit);
    });
    co_await std::move(committing);
  }
  MakeWork work() {
    return each([this](Context& context) { return handle(context); });
  }

  std::atomic<bool> reached{false};
  std::atomic<bool> passed{false};
  std::atomic<int> attempts{0};
  std::atomic<int> works{0};
};

}  // namespace

TEST_CASE("an owner that was fenced writes nothing, finds that it is still a member, takes over again and goes on") {
  Broker broker;
  EffectDatabase const database;
  auto const topic = broker.topic(1);
  REQUIRE(publish(broker, numbered_events(topic, 4, 20)));
  Checkpoint checkpoint;
  DatabaseEngine engine{broker, database.url_as("chat"), topic, "fenced-" + topic, checkpoint.work()};
  REQUIRE(eventually([&] { return checkpoint.reached.load(); }));
  // The three other keys are done, so that it is this one's commit that finds the partition taken.
  REQUIRE(database.await_effects(65));
  auto const epoch = usurp(database, topic);
  checkpoint.passed = true;
  REQUIRE(database.await_effects(80));
  engine.stop();
  CHECK(engine.counters().fenced == 1);
  CHECK(engine.counters().retried == 0);
  CHECK(engine.counters().dead_lettered == 0);
  CHECK(checkpoint.attempts == 5);  // four keys', one of them twice
  CHECK(checkpoint.works == 4);     // and what was refused did not even run
  for (auto const& [key, values] : database.by_key()) CHECK(values == numbers(20));
  CHECK(database.number("SELECT epoch FROM pipeline.fence") == epoch + 1);
}

TEST_CASE("a fenced owner whose question to the group stays unanswered asks again") {
  Broker broker;
  if (broker.embedded() == nullptr) return;
  EffectDatabase const database;
  auto const topic = broker.topic(1);
  REQUIRE(publish(broker, numbered_events(topic, 2, 20)));
  Checkpoint checkpoint;
  DatabaseEngine engine{broker, database.url_as("chat"), topic, "unanswered-" + topic, checkpoint.work()};
  REQUIRE(eventually([&] { return checkpoint.reached.load(); }));
  usurp(database, topic);
  constexpr std::int16_t offset_commit = 8;
  broker.embedded()->fail_next(offset_commit, RD_KAFKA_RESP_ERR_UNKNOWN, 2);
  checkpoint.passed = true;
  CHECK(database.await_effects(40));
  engine.stop();
  CHECK(engine.counters().dead_lettered == 0);
  for (auto const& [key, values] : database.by_key()) CHECK(values == numbers(20));
}

TEST_CASE("two owners that keep taking a partition from each other lose nothing and double nothing") {
  Broker broker;
  EffectDatabase const database;
  auto const topic = broker.topic(2);
  auto const events = numbered_events(topic, 20, 30);
  REQUIRE(publish(broker, events));
  // Two groups: Kafka gives each of them everything, and only PostgreSQL stands between them.
  DatabaseEngine first{broker, database.url_as("chat"), topic, "first-" + topic, each(write_and_reply)};
  DatabaseEngine second{broker, database.url_as("chat"), topic, "second-" + topic, each(write_and_reply)};
  REQUIRE(eventually([&] { return first.counters().handled >= 600 && second.counters().handled >= 600; }));
  first.stop();
  second.stop();
  CHECK(first.counters().fenced + second.counters().fenced > 0);
  CHECK(first.counters().dead_lettered + second.counters().dead_lettered == 0);
  CHECK(database.effects() == 600);
  for (auto const& each : database.by_key()) {
    auto const& key = each.first;
    auto const& values = each.second;
    CAPTURE(key);
    CHECK(values == numbers(30));
  }
}

TEST_CASE("what an earlier owner left in the outbox is published before anything new of its keys, in order") {
  constexpr int left = 2500;  // more than one sweep takes
  Broker broker;
  EffectDatabase const database;
  auto const topic = broker.topic(1);
  std::vector<std::string> expected;
  {
    pqxx::connection connection{database.url_as("chat")};
    auto const epoch = postgres::take_over(connection, worker_name, {{topic, 0}}, "an earlier owner").at(0);
    for (int unit = 0; unit < 5; ++unit) {
      postgres::AdmitKey const key{std::string{worker_name}, {}, random_uuid(), topic, 0, epoch};
      postgres::run_unit(connection, key, [&](postgres::OpenUnit& work) {
        for (int i = 0; i < left / 5; ++i) {
          expected.push_back("left " + std::to_string(unit * left / 5 + i));
          work.publish({"chat.replies", "key-0", expected.back(), {{"n", std::nullopt}}, {}});
        }
      });
    }
  }
  REQUIRE(database.outbox() == left);
  REQUIRE(publish(broker, numbered_events(topic, 1, 3)));
  DatabaseEngine engine{broker, database.url_as("chat"), topic, "left-" + topic, each(write_and_reply)};
  REQUIRE(database.await_effects(3));
  engine.stop();
  CHECK(database.outbox() == 0);
  auto const records = read_all(broker, "chat.replies", left + 3);
  REQUIRE(records.size() == left + 3);
  for (std::size_t i = 0; i < left; ++i) REQUIRE(records[i].value == expected[i]);
  for (std::size_t i = left; i < records.size(); ++i)
    CHECK(records[i].value->find("\"text\":\"" + std::to_string(i - left) + '"') != std::string::npos);
}

TEST_CASE("thousands of rows that cannot be published do not keep their partition closed, nor those around them") {
  constexpr int lost = 2'300;  // more than two pages
  Broker broker;
  if (broker.embedded() == nullptr) return;  // Apache Kafka's topics are missing or not
  EffectDatabase const database;
  auto const topic = broker.topic(1);
  auto const missing = broker.topic(1);
  broker.embedded()->refuse_topic(missing, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
  {
    pqxx::connection connection{database.url_as("chat")};
    auto const epoch = postgres::take_over(connection, worker_name, {{topic, 0}}, "an earlier owner").at(0);
    postgres::AdmitKey const key{std::string{worker_name}, {}, random_uuid(), topic, 0, epoch};
    postgres::run_unit(connection, key, [&](postgres::OpenUnit& work) {
      work.publish({"chat.replies", "key-0", "first", {{"n", std::nullopt}}, {}});
      for (int i = 0; i < lost; ++i) work.publish({missing, "key-0", "lost", {{"n", std::nullopt}}, {}});
      work.publish({"chat.replies", "key-0", "last", {{"n", std::nullopt}}, {}});
    });
  }
  REQUIRE(publish(broker, numbered_events(topic, 1, 3)));
  DatabaseEngine engine{broker, database.url_as("chat"), topic, "lost-" + topic, each(write_and_reply)};
  CHECK(database.await_effects(3, 20s));
  CHECK(database.await("SELECT count(refused) FROM pipeline.outbox", lost));
  CHECK(
      database.await("SELECT CASE count(*) FILTER (WHERE refused IS NULL) WHEN 0 THEN 1 ELSE 0 END"
                     " FROM pipeline.outbox",
                     1));
  engine.stop();
  CHECK(database.number("SELECT max(attempts) FROM pipeline.outbox") == 1);
  auto const records = read_all(broker, "chat.replies", 5);
  REQUIRE(records.size() == 5);
  CHECK(records[0].value == "first");
  CHECK(records[1].value == "last");
}

TEST_CASE("a partition that is taken over again while the broker is away publishes each row once") {
  constexpr int left = 1'200;
  Broker broker;
  if (broker.embedded() == nullptr) return;
  EffectDatabase const database;
  auto const topic = broker.topic(1);
  {
    pqxx::connection connection{database.url_as("chat")};
    auto const epoch = postgres::take_over(connection, worker_name, {{topic, 0}}, "an earlier owner").at(0);
    postgres::AdmitKey const key{std::string{worker_name}, {}, random_uuid(), topic, 0, epoch};
    postgres::run_unit(connection, key, [&](postgres::OpenUnit& work) {
      for (int i = 0; i < left; ++i) work.publish({"chat.replies", "key-0", "left", {{"n", std::nullopt}}, {}});
    });
  }
  boost::asio::io_context loop;
  kafka::Producer producer{broker.client};
  PoolSettings settings;
  settings.url = database.url_as("chat");
  TransactionPool pool{std::move(settings)};
  OutboxPublisher publisher{loop, producer, &pool};
  broker.embedded()->set_down(1);
  pqxx::connection connection{database.url_as("chat")};
  for (auto round = 0; round < 3; ++round) {
    pqxx::work transaction{connection};
    publisher.publish(postgres::take_unpublished(transaction, {std::string{worker_name}, topic, 0}, left));
  }
  CHECK(publisher.unpublished() == left);
  broker.embedded()->set_up(1);
  auto const draining = [&]() -> Task<> {
    auto drain = publisher.drain(Clock::now() + 1min);
    CHECK(co_await std::move(drain));
  };
  boost::asio::co_spawn(loop, draining(), boost::asio::detached);
  loop.run();
  pool.close();
  CHECK(database.outbox() == 0);
}
