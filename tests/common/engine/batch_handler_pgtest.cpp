// Many events in one transaction: the same promises as for one.
#include "engine/batch_work.hpp"
#include "tests/common/engine/database_engine.hpp"
#include "tests/common/engine/topic_reader.hpp"

#include <future>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::engine;
using namespace omnibus::engine::test;
using namespace std::chrono_literals;

namespace {

/// What a message says, and not whom it is about.
struct Note {
  static constexpr auto type = ChatMessageReceived::type;
  std::string session_id;
  std::string text;
};
BOOST_DESCRIBE_STRUCT(Note, (), (session_id, text))

/// Stores every message of a batch with one statement.
template <class Event>
class Storing {
 public:
  using Events = EventList<Event>;
  static constexpr std::size_t max_batch = 200;

  void apply(pqxx::transaction_base& transaction, std::vector<BatchItem<Event> const*> const& items) {
    std::vector<std::string> keys;
    std::vector<std::string> values;
    for (auto const* const item : items) {
      auto const& message = std::get<Event>(item->event);
      keys.push_back(message.session_id);
      values.push_back(message.text);
    }
    largest = std::max(largest.load(), items.size());
    transaction.exec("INSERT INTO effects (key, value) SELECT * FROM unnest($1::text[], $2::text[])",
                     pqxx::params{keys, values});
  }

  MakeWork work() {
    return [this](boost::asio::io_context&) { return std::make_unique<BatchWork<Storing>>(*this); };
  }

  std::atomic<std::size_t> largest{0};
};
using StoreAll = Storing<ChatMessageReceived>;

/// Its second batch fails for good as a whole, and its first half in passing just when the engine begins to stop.
class FailsAsItStops : public StoreAll {
 public:
  static constexpr std::size_t max_batch = 4;

  void apply(pqxx::transaction_base& transaction, std::vector<BatchItem<ChatMessageReceived> const*> const& items) {
    switch (++calls) {
      case 1:
        first = static_cast<std::int64_t>(items.size());
        gathered.wait();
        break;
      case 2:
        throw Failure::permanent("to be halved");
      case 3:
        halved.set_value();
        stopping.wait();
        throw Failure::transient("to be tried again");
      default:
        break;
    }
    StoreAll::apply(transaction, items);
  }

  MakeWork work() {
    return [this](boost::asio::io_context&) { return std::make_unique<BatchWork<FailsAsItStops>>(*this); };
  }

  std::int64_t first = 0;
  int calls = 0;  // one after the other, each on a thread of the pool
  std::promise<void> all_there, halved, begins_to_stop;
  std::future<void> gathered = all_there.get_future(), stopping = begins_to_stop.get_future();
};

/// Has a key of its own, refuses one message by its looks, and goes on only when two batches are applied at once.
class StoreBeside : public Storing<Note> {
 public:
  static constexpr std::size_t max_batch = 20;
  static constexpr bool own_key = true;

  void check(BatchItem<Note> const& item) const {
    if (std::get<Note>(item.event).text == "implausible") throw Failure::permanent("not to be believed", "implausible");
  }
  void apply(pqxx::transaction_base& transaction, std::vector<BatchItem<Note> const*> const& items) {
    if (++beside == 2) both.set_value();
    two_at_once.wait();
    Storing::apply(transaction, items);
  }

  MakeWork work() {
    return [this](boost::asio::io_context&) { return std::make_unique<BatchWork<StoreBeside>>(*this); };
  }

  std::atomic<int> beside{0};
  std::promise<void> both;
  std::shared_future<void> two_at_once = both.get_future().share();
};

kafka::Record message(std::string const& topic, std::string const& session, std::string const& text) {
  ChatMessageReceived const data{"shop.example", session, text, {}};
  return to_binary_record(originate("/test", ChatMessageReceived::type), json::encode(data), topic, session);
}

std::vector<kafka::Record> messages(std::string const& topic, int sessions, int per_session) {
  std::vector<kafka::Record> records;
  for (int number = 0; number < per_session; ++number)
    for (int session = 0; session < sessions; ++session)
      records.push_back(message(topic, "s-" + std::to_string(session), std::to_string(number)));
  return records;
}

void check_every_session_has(EffectDatabase const& database, int sessions, int per_session) {
  auto const found = database.by_key();
  CHECK(found.size() == static_cast<std::size_t>(sessions));
  for (auto const& each : found) {
    auto const& session = each.first;
    auto const& values = each.second;
    CAPTURE(session);
    CHECK(values == numbers(per_session));
  }
}

}  // namespace

TEST_CASE("batches are exact and in order, although every event comes twice and again to a second group") {
  Broker broker;
  EffectDatabase const database;
  auto const topic = broker.topic(3);
  REQUIRE(publish(broker, messages(topic, 30, 50), 2));
  StoreAll handler;
  {
    DatabaseEngine first{broker, database.url_as("chat"), topic, "first-" + topic, handler.work()};
    REQUIRE(database.await_effects(300));
  }
  DatabaseEngine second{broker, database.url_as("chat"), topic, "second-" + topic, handler.work()};
  REQUIRE(database.await_effects(1500));
  REQUIRE(eventually([&] { return second.counters().handled >= 3000; }));
  second.stop();
  CHECK(handler.largest > 1);
  CHECK(handler.largest <= StoreAll::max_batch);
  CHECK(database.inbox() == 1500);
  check_every_session_has(database, 30, 50);
}

TEST_CASE("a batch that fails is halved until the event at fault is alone, which is dead-lettered") {
  Broker broker;
  EffectDatabase const database;
  database.execute("ALTER TABLE effects ADD CHECK (value <> 'poison')");
  auto const topic = broker.topic(1);
  auto records = messages(topic, 10, 20);
  for (auto const place : {0, 77, 78, 199}) records.insert(records.begin() + place, message(topic, "s-3", "poison"));
  records.insert(records.begin() + 120, event(topic, "s-4", 1));  // of a type that the topic does not carry
  REQUIRE(publish(broker, records));
  StoreAll handler;
  DatabaseEngine engine{broker, database.url_as("chat"), topic, "halved-" + topic, handler.work()};
  REQUIRE(database.await_effects(200));
  REQUIRE(eventually([&] { return engine.counters().handled >= 205; }));
  engine.stop();
  CHECK(handler.largest > 1);
  CHECK(engine.counters().dead_lettered == 5);
  CHECK(engine.counters().retried == 0);
  check_every_session_has(database, 10, 20);
  auto const parked = read_all(broker, kafka::dead_letter_topic(topic), 5);
  REQUIRE(parked.size() == 5);
  std::map<std::string, int> classes;
  for (auto const& letter : parked) ++classes[header_of(letter, "error.class")];
  CHECK(classes == std::map<std::string, int>{{"database", 4}, {"unknown_type", 1}});
  CHECK(database.outbox() == 0);
}

TEST_CASE("batches with a key of their own are applied beside each other, and one bad event does not halve its batch") {
  Broker broker;
  EffectDatabase const database;
  database.execute("ALTER TABLE effects ADD UNIQUE (key, value)");
  auto const topic = broker.topic(2);
  auto records = messages(topic, 10, 20);
  for (auto const place : {0, 77, 199}) records.insert(records.begin() + place, message(topic, "s-3", "implausible"));
  REQUIRE(publish(broker, records));
  StoreBeside handler;
  DatabaseEngine engine{broker, database.url_as("chat"), topic, "beside-" + topic, handler.work()};
  REQUIRE(database.await_effects(200));
  REQUIRE(eventually([&] { return engine.counters().handled >= 203; }));
  engine.stop();
  CHECK(engine.counters().dead_lettered == 3);
  CHECK(database.inbox() == 3);  // of those that were parked
  auto const parked = read_all(broker, kafka::dead_letter_topic(topic), 3);
  for (auto const& letter : parked) CHECK(header_of(letter, "error.class") == "implausible");
}

TEST_CASE("what a stopping worker gives up of a batch is overtaken neither by its other half nor by the next batch") {
  Broker broker;
  EffectDatabase const database;
  auto const topic = broker.topic(1);
  REQUIRE(publish(broker, messages(topic, 1, 9)));
  {
    FailsAsItStops handler;
    DatabaseEngine engine{
        broker, database.url_as("chat"), topic, "stops-" + topic, handler.work(), {}, [&](bool ready) {
          if (!ready) handler.begins_to_stop.set_value();
        }};
    REQUIRE(eventually([&] { return engine.counters().in_flight + engine.counters().queued >= 9; }));
    handler.all_there.set_value();
    handler.halved.get_future().wait();
    engine.stop();
    CHECK(handler.calls == 3);
    CHECK(database.effects() == handler.first);
    CHECK(engine.counters().dead_lettered == 0);
  }
  StoreAll handler;
  DatabaseEngine engine{broker, database.url_as("chat"), topic, "stops-" + topic, handler.work()};
  REQUIRE(database.await_effects(9));
  engine.stop();
  check_every_session_has(database, 1, 9);
}

TEST_CASE("batches lose nothing and double nothing while connections are cut under load") {
  Broker broker;
  EffectDatabase const database;
  auto const topic = broker.topic(4);
  REQUIRE(publish(broker, messages(topic, 40, 150), 2));
  StoreAll handler;
  EngineSettings settings;
  settings.recoverability.max_attempts = 1;  // a counted attempt would be the last
  DatabaseEngine engine{broker, database.url_as("chat"), topic, "cut-" + topic, handler.work(), settings};
  for (auto const until : {200, 1'000, 2'000, 3'500, 5'000}) {
    REQUIRE(database.await_effects(until));
    database.cut_connections();
  }
  REQUIRE(database.await_effects(6'000));
  REQUIRE(eventually([&] { return engine.counters().handled >= 12'000; }));
  engine.stop();
  CHECK(engine.counters().dead_lettered == 0);
  CHECK(database.inbox() == 6'000);
  check_every_session_has(database, 40, 150);
}

TEST_CASE("a batch with events of a partition that was taken over is refused as a whole and done after all") {
  Broker broker;
  EffectDatabase const database;
  auto const topic = broker.topic(3);
  REQUIRE(publish(broker, messages(topic, 30, 30)));
  StoreAll handler;
  DatabaseEngine engine{broker, database.url_as("chat"), topic, "taken-" + topic, handler.work()};
  REQUIRE(database.await_effects(1));
  for (int round = 0; round < 5; ++round) {
    database.execute("SELECT pipeline.take_over('test', '" + topic + "', 1, 'somebody else')");
    REQUIRE(publish(broker, messages(topic, 30, 0)));
  }
  REQUIRE(database.await_effects(900));
  REQUIRE(eventually([&] { return engine.counters().handled >= 900; }));
  engine.stop();
  CHECK(engine.counters().dead_lettered == 0);
  check_every_session_has(database, 30, 30);
}
