// What an engine with a database promises: every event's effect once, whatever crashes, and what follows from it
// published.
#include "handler/failure.hpp"
#include "tests/common/engine/database_engine.hpp"
#include "tests/common/engine/topic_reader.hpp"
#include "victim.hpp"

#include <algorithm>
#include <set>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::engine;
using namespace omnibus::engine::test;
using namespace std::chrono_literals;

namespace {

/// The ids of the events that handling each of these causes.
std::set<std::string> derived_ids(std::vector<kafka::Record> const& parents, int ordinal = 0) {
  std::set<std::string> ids;
  for (auto const& record : parents) {
    Envelope parent;
    parent.id = header_of(record, "ce_id");
    parent.source = header_of(record, "ce_source");
    ids.insert(derive(parent, worker_name, ordinal, ChatReplyGenerated::type).id);
  }
  return ids;
}

std::set<std::string> ids_of(std::vector<kafka::Record> const& records) {
  std::set<std::string> ids;
  for (auto const& record : records) ids.insert(header_of(record, "ce_id"));
  return ids;
}

void check_every_key_has(EffectDatabase const& database, int keys, int per_key) {
  auto const found = database.by_key();
  CHECK(found.size() == static_cast<std::size_t>(keys));
  for (auto const& each : found) {
    auto const& key = each.first;
    auto const& values = each.second;
    CAPTURE(key);
    CHECK(values == numbers(per_key));
  }
}

EngineSettings impatient() {
  EngineSettings settings;
  settings.recoverability.base_delay = 5ms;
  settings.recoverability.longest_delay = 50ms;
  return settings;
}

}  // namespace

TEST_CASE("workers killed under load: every effect happens once and in order, every reply is published") {
  constexpr int keys = 20;
  constexpr int per_key = 60;
  Broker broker{{.session_timeout = 1500ms, .heartbeat_interval = 200ms}};
  EffectDatabase const database;
  auto const topic = broker.topic(4);
  auto const group = "killed-" + topic;
  auto const events = numbered_events(topic, keys, per_key);
  REQUIRE(publish(broker, events, 2));
  for (auto const until : {150, 400, 700}) {
    Victim victim{broker, database.url_as("chat"), topic, group};
    REQUIRE(database.await_effects(until));
    CHECK(victim.kill());
    CHECK(database.effects() < keys * per_key);
  }
  DatabaseEngine last{broker, database.url_as("chat"), topic, group, each(write_and_reply)};
  REQUIRE(database.await_effects(keys * per_key));
  last.stop();
  check_every_key_has(database, keys, per_key);
  CHECK(database.inbox() == keys * per_key);
  CHECK(last.counters().dead_lettered == 0);
  CHECK(database.outbox() == 0);

  auto const expected = derived_ids(events);
  auto const replies = read_until(broker, "chat.replies", [&](auto const& records) {
    return records.size() >= expected.size() && ids_of(records) == expected;
  });
  CHECK(ids_of(replies) == expected);
}

TEST_CASE("an engine that stands still and never commits an offset: its successor repeats no effect") {
  Broker broker;
  EffectDatabase const database;
  auto const topic = broker.topic(3);
  auto const group = "still-" + topic;
  REQUIRE(publish(broker, numbered_events(topic, 10, 20)));
  {
    EngineSettings settings;
    settings.commit_interval = 1h;
    DatabaseEngine first{broker, database.url_as("chat"), topic, group, each(write_and_reply), settings};
    REQUIRE(database.await_effects(80));
    first.crash();
  }
  DatabaseEngine second{broker, database.url_as("chat"), topic, group, each(write_and_reply)};
  REQUIRE(database.await_effects(200));
  second.stop();
  CHECK(second.counters().handled == 200);
  check_every_key_has(database, 10, 20);
}

TEST_CASE("the same events under other keys, handled by two members at once, take effect once") {
  Broker broker;
  EffectDatabase const database;
  auto const topic = broker.topic(8);
  auto events = numbered_events(topic, 40, 5);
  auto copies = events;
  for (auto& copy : copies) copy.key = "copy-of-" + *copy.key;
  for (std::size_t i = 0; i < copies.size(); ++i)
    events.insert(events.begin() + static_cast<std::ptrdiff_t>(2 * i), copies[i]);
  auto const group = "copies-" + topic;
  DatabaseEngine first{broker, database.url_as("chat"), topic, group, each(write_and_reply)};
  DatabaseEngine second{broker, database.url_as("chat"), topic, group, each(write_and_reply)};
  REQUIRE(publish(broker, events));
  REQUIRE(eventually([&] { return first.counters().handled + second.counters().handled >= 400; }));
  first.stop();
  second.stop();
  CHECK(database.effects() == 200);
  CHECK(database.inbox() == 200);
  CHECK(first.counters().dead_lettered + second.counters().dead_lettered == 0);
}

TEST_CASE("events caused by an event have the same ids after a failed attempt, and leave nothing in the outbox") {
  Broker broker;
  EffectDatabase const database;
  auto const topic = broker.topic(2);
  auto const events = numbered_events(topic, 6, 5);
  REQUIRE(publish(broker, events));
  auto const handle = [](Context& context) -> Task<> {
    auto committing = context.commit([&context, write = effect_of(context)](UnitOfWork& unit) {
      write(unit);
      unit.publish(reply_to(context, "first"), std::string{context.key()});
      if (context.attempt() == 1) throw Failure::transient("between the two");
      unit.publish(reply_to(context, "second"), std::string{context.key()});
    });
    co_await std::move(committing);
  };
  DatabaseEngine engine{broker, database.url_as("chat"), topic, "ids-" + topic, each(handle), impatient()};
  REQUIRE(database.await_effects(30));
  engine.stop();
  CHECK(engine.counters().retried == 30);
  CHECK(database.outbox() == 0);
  check_every_key_has(database, 6, 5);

  auto const replies = read_all(broker, "chat.replies", 60);
  REQUIRE(replies.size() == 60);
  auto expected = derived_ids(events, 0);
  expected.merge(derived_ids(events, 1));
  CHECK(ids_of(replies) == expected);
  std::map<std::string, std::vector<std::string>> causes;
  for (auto const& reply : replies) {
    CHECK(header_of(reply, "ce_source") == "/omnibus/test");
    causes[reply.key.value()].push_back(header_of(reply, "ce_causationid"));
  }
  for (auto const& [key, found] : causes) {
    std::vector<std::string> in_order;
    for (auto const& each : events)
      if (each.key == key) in_order.insert(in_order.end(), 2, header_of(each, "ce_id"));
    CHECK(found == in_order);
  }
}

TEST_CASE("a poison event is parked once, however often it is delivered") {
  Broker broker;
  EffectDatabase const database;
  auto const topic = broker.topic(1);
  auto const group = "parked-" + topic;
  auto const poison = event(topic, "key", 1);
  kafka::Record const no_event{topic, "key", "not an event", {}, {}};
  REQUIRE(publish(broker, {event(topic, "key", 0), poison, poison, no_event, event(topic, "key", 2)}));
  auto const handle = [](Context& context) -> Task<> {
    (void)context.event();
    if (context.data() == "1") throw Failure::permanent("the number is one", "one");
    auto writing = write_and_reply(context);
    co_await std::move(writing);
  };
  EngineSettings settings;
  settings.commit_interval = 1h;
  for (int life = 0; life < 2; ++life) {
    DatabaseEngine engine{broker, database.url_as("chat"), topic, group, each(handle), settings};
    REQUIRE(eventually([&] { return engine.counters().handled >= 5; }));
    CHECK(database.await("SELECT CASE count(*) WHEN 0 THEN 1 ELSE 0 END FROM pipeline.outbox", 1));
    engine.crash();
  }
  CHECK(database.inbox() == 4);
  CHECK(database.by_key()["key"] == std::vector<std::string>{"0", "2"});

  // A mark behind everything that may have been parked.
  kafka::Record const mark{kafka::dead_letter_topic(topic), "key", "mark", {}, {}};
  REQUIRE(publish(broker, {mark}));
  auto const parked = read_until(broker, mark.topic, [&](auto const& records) {
    return std::ranges::any_of(records, [&](auto const& record) { return record.value == mark.value; });
  });
  REQUIRE(parked.size() == 3);
  CHECK(parked[0].value == poison.value);
  CHECK(header_of(parked[0], "error.class") == "one");
  CHECK(header_of(parked[0], "ce_id") == header_of(poison, "ce_id"));
  CHECK(parked[1].value == no_event.value);
  CHECK(header_of(parked[1], "error.class") == "invalid_event");
}

TEST_CASE("a record without an id at the same place of a topic that was made anew is another letter") {
  EffectDatabase const database;
  std::string topic;
  for (int made = 1; made <= 2; ++made) {
    Broker broker;  // has nothing of the one before
    REQUIRE(broker.embedded() != nullptr);
    if (made == 1) topic = broker.topic(1);
    if (made == 2)
      for (auto const& each : {topic, kafka::dead_letter_topic(topic)}) broker.embedded()->create_topic(each, 1);
    REQUIRE(publish(broker, {kafka::Record{topic, "key", "not an event", {}, {}}}));
    DatabaseEngine engine{broker, database.url_as("chat"), topic, "anew-" + topic, each(write_and_reply)};
    CHECK(read_until(broker, kafka::dead_letter_topic(topic), [](auto const& found) {
            return !found.empty();
          }).size() == 1);
    engine.stop();
    CHECK(database.inbox() == made);
  }
}

TEST_CASE("a dead letter and its inbox row are written together or not at all") {
  Broker broker;
  EffectDatabase const database;
  auto const topic = broker.topic(1);
  REQUIRE(publish(broker, {event(topic, "key", 0)}));
  database.execute("REVOKE INSERT ON pipeline.outbox FROM omnibus_chat");
  std::atomic<int> attempts{0};
  auto const handle = [&](Context&) -> Task<> {
    ++attempts;
    throw Failure::permanent("never");
    co_return;
  };
  DatabaseEngine engine{broker, database.url_as("chat"), topic, "together-" + topic, each(handle), impatient()};
  REQUIRE(eventually([&] { return attempts >= 3; }));
  CHECK(database.inbox() == 0);
  CHECK(engine.counters().handled == 0);
  database.execute("GRANT INSERT ON pipeline.outbox TO omnibus_chat");
  CHECK(read_all(broker, kafka::dead_letter_topic(topic), 1).size() == 1);
  engine.stop();
  CHECK(engine.counters().dead_lettered == 1);
  CHECK(database.inbox() == 1);
  CHECK(database.outbox() == 0);
}

TEST_CASE("a checkpoint is taken once per event and step, however often the handler is tried") {
  Broker broker;
  EffectDatabase const database;
  auto const topic = broker.topic(2);
  auto const events = numbered_events(topic, 10, 3);
  REQUIRE(publish(broker, events));
  static constexpr auto pay = [](Context& context, std::string_view step) {
    return context.checkpoint(std::string{step}, [&context, step = std::string{step}](UnitOfWork& unit) {
      unit.transaction().exec(
          "INSERT INTO effects (key, value) VALUES ($1, $2)",
          pqxx::params{step + " of " + std::string{context.event().id}, std::to_string(context.attempt())});
      unit.publish(reply_to(context, step), std::string{context.key()});
    });
  };
  std::atomic<int> wrong{0};
  auto const handle = [&](Context& context) -> Task<> {
    auto paying = pay(context, "answer");
    if (co_await std::move(paying) != (context.attempt() == 1)) ++wrong;
    if (context.attempt() == 1) throw Failure::transient("after the first step");
    auto again = pay(context, "summary");
    if (co_await std::move(again) != (context.attempt() == 2)) ++wrong;
    if (context.attempt() == 2) throw Failure::transient("after the second step");
    auto committing = write_and_reply(context);
    co_await std::move(committing);
  };
  DatabaseEngine engine{broker, database.url_as("chat"), topic, "steps-" + topic, each(handle), impatient()};
  REQUIRE(database.await_effects(90));
  engine.stop();
  CHECK(wrong == 0);
  auto const found = database.by_key();
  for (auto const& each : events) {
    auto const id = header_of(each, "ce_id");
    CHECK(found.at("answer of " + id) == std::vector<std::string>{"1"});
    CHECK(found.at("summary of " + id) == std::vector<std::string>{"2"});
  }
  CHECK(database.effects() == 90);
  CHECK(database.outbox() == 0);
  // Steps number their events by themselves, so no two of the three have one id.
  CHECK(ids_of(read_all(broker, "chat.replies", 90)).size() == 90);
}

TEST_CASE("connections cut again and again under load: every effect once and in order, nothing dead-lettered") {
  constexpr int keys = 40;
  constexpr int per_key = 40;
  Broker broker;
  EffectDatabase const database;
  auto const topic = broker.topic(4);
  auto const events = numbered_events(topic, keys, per_key);
  REQUIRE(publish(broker, events, 2));
  EngineSettings settings;
  settings.recoverability.max_attempts = 1;  // a counted attempt would be the last
  DatabaseEngine engine{broker, database.url_as("chat"), topic, "cut-" + topic, each(write_and_reply), settings};
  for (auto until = 100; until < keys * per_key; until += 200) {
    REQUIRE(database.await_effects(until));
    database.cut_connections();
  }
  REQUIRE(database.await_effects(keys * per_key));
  REQUIRE(eventually([&] { return engine.counters().handled >= 2 * keys * per_key; }));
  engine.stop();
  CHECK(engine.counters().outages > 0);
  CHECK(engine.counters().dead_lettered == 0);
  check_every_key_has(database, keys, per_key);
  auto const expected = derived_ids(events);
  auto const replies = read_until(broker, "chat.replies", [&](auto const& records) {
    return records.size() >= expected.size() && ids_of(records) == expected;
  });
  CHECK(ids_of(replies) == expected);
}

TEST_CASE("events under load share transactions, and one that fails in company fails alone") {
  constexpr int keys = 300;
  Broker broker;
  EffectDatabase const database;
  database.execute("ALTER TABLE effects ADD CHECK (value <> '3' OR key <> 'key-7')");
  auto const topic = broker.topic(4);
  REQUIRE(publish(broker, numbered_events(topic, keys, 5)));
  auto const handle = [](Context& context) -> Task<> {
    auto committing = context.commit([&context, write = effect_of(context)](UnitOfWork& unit) {
      unit.transaction().exec("SELECT pg_sleep(0.005)");  // slower than events come, whatever runs beside it
      write(unit);
      unit.publish(reply_to(context), std::string{context.key()});
    });
    co_await std::move(committing);
  };
  DatabaseEngine engine{broker, database.url_as("chat"), topic, "company-" + topic, each(handle), impatient()};
  REQUIRE(database.await_effects(5 * keys - 1));
  REQUIRE(eventually([&] { return engine.counters().handled >= 5 * keys; }));
  engine.stop();
  CHECK(engine.counters().dead_lettered == 1);
  CHECK(engine.counters().retried == 0);  // nobody's attempt was counted for another's failure
  auto found = database.by_key();
  CHECK(found.extract("key-7").mapped() == std::vector<std::string>{"0", "1", "2", "4"});
  CHECK(found.size() == keys - 1);
  for (auto const& [key, values] : found) CHECK(values == numbers(5));
  CHECK(database.outbox() == 0);
  CHECK(database.number("SELECT count(DISTINCT xmin::text) FROM effects") < 5 * keys / 2);
}

TEST_CASE("an event that waits for a locked row holds up nobody who shares its transaction") {
  Broker broker;
  EffectDatabase const database;
  database.execute("CREATE UNIQUE INDEX one_effect ON effects (key, value)");
  auto const topic = broker.topic(2);
  pqxx::connection admin{database.url()};
  pqxx::work holder{admin};
  holder.exec("INSERT INTO effects (key, value) VALUES ('key-5', '1')");  // whoever writes the same waits for us
  REQUIRE(publish(broker, numbered_events(topic, 100, 3)));
  DatabaseEngine engine{broker, database.url_as("chat"), topic, "locked-" + topic, each(write_and_reply), impatient()};
  // All but what stands behind the lock, while it is held, and before the 20 s are over that one may wait for it.
  REQUIRE(database.await_effects(1));
  REQUIRE(database.await_effects(3 * 100 - 2, 15s));
  holder.abort();
  REQUIRE(database.await_effects(3 * 100));
  engine.stop();
  check_every_key_has(database, 100, 3);
  CHECK(engine.counters().dead_lettered == 0);
}
