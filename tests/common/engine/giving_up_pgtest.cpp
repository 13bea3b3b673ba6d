// What a handler adds when one of its events is parked: with the dead letter, or not at all.
#include "engine/handler_work.hpp"
#include "handler/handler.hpp"
#include "tests/common/engine/database_engine.hpp"
#include "tests/common/engine/topic_reader.hpp"

#include <algorithm>
#include <atomic>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::engine;
using namespace omnibus::engine::test;
using namespace std::chrono_literals;

namespace {

/// Refuses every event for good, and says so when it is parked.
struct Refusing {
  using Events = EventList<ChatMessageReceived>;

  static Task<> handle(Context&, ChatMessageReceived const&) {
    throw Failure::permanent("refused", "refused");
    co_return;  // for the compiler: it is a coroutine
  }
  void gave_up(Context& context, ChatMessageReceived const& message, Failure const& failure, UnitOfWork& unit) {
    effect_of(context)(unit);
    unit.publish(ChatReplyFailed{context.event_key(), std::string{context.event().id}, failure.error_class()},
                 message.session_id);
    ++calls;
    if (when_called) when_called(unit);
  }

  std::function<void(UnitOfWork&)> when_called;
  std::atomic<int> calls{0};
};

/// An event whose validation throws.
struct Unruly {
  static constexpr auto type = ChatMessageReceived::type;
  std::string domain;
};
BOOST_DESCRIBE_STRUCT(Unruly, (), (domain))

std::optional<InvalidField> validate(Unruly const&) {
  throw std::runtime_error{"cannot be validated"};
}

struct HandlingUnruly {
  using Events = EventList<Unruly>;

  static Task<> handle(Context&, Unruly const&) { co_return; }
  static void gave_up(Context&, Unruly const&, Failure const&, UnitOfWork& unit) {
    unit.transaction().exec("SELECT 1 / 0");
  }
};

template <class H>
class ParkingEngine {
 public:
  /// Has a record handled until its letter is on the topic of dead letters. @return the letters.
  std::vector<kafka::Record> park(std::string const& data) {
    REQUIRE(publish(broker, {to_binary_record(originate("/test", ChatMessageReceived::type), data, topic, "s1")}));
    DatabaseEngine engine{broker,
                          database.url_as("chat"),
                          topic,
                          "parking-" + topic,
                          [this](auto&) { return std::make_unique<HandlerWork<H>>(handler); },
                          impatient()};
    auto letters =
        read_until(broker, kafka::dead_letter_topic(topic), [](auto const& found) { return !found.empty(); });
    engine.stop();
    CHECK(engine.counters().dead_lettered == 1);
    return letters;
  }
  /// The replies that say that the message of this letter failed.
  std::vector<kafka::Record> failed_replies(kafka::Record const& letter) {
    auto const mark = "mark-" + header_of(letter, "ce_id");  // of the same key: behind them
    REQUIRE(publish(broker, {{"chat.replies", "s1", mark, {}, {}}}));
    auto replies = read_until(broker, "chat.replies", [&](auto const& found) {
      return std::ranges::any_of(found, [&](auto const& record) { return record.value == mark; });
    });
    std::erase_if(replies, [&](auto const& record) {
      return record.value == mark || record.value->find(header_of(letter, "ce_id")) == std::string::npos;
    });
    return replies;
  }

  Broker broker;
  EffectDatabase database;
  std::string const topic = broker.topic(1);
  H handler;

 private:
  static EngineSettings impatient() {
    EngineSettings settings;
    settings.recoverability.base_delay = 5ms;
    settings.recoverability.longest_delay = 50ms;
    return settings;
  }
};

std::string const message = json::encode(ChatMessageReceived{"shop.example", "s1", "Hello", {}});

}  // namespace

TEST_CASE("what a handler adds to a dead letter is written and published with it, once") {
  ParkingEngine<Refusing> parking;
  auto const letters = parking.park(message);
  REQUIRE(letters.size() == 1);
  CHECK(parking.database.effects() == 1);
  CHECK(parking.database.inbox() == 1);
  CHECK(parking.database.number("SELECT count(*) FROM pipeline.inbox WHERE error_class = 'refused'") == 1);
  CHECK(parking.failed_replies(letters[0]).size() == 1);
  CHECK(parking.database.outbox() == 0);
}

TEST_CASE("a parking that fails takes what the handler added along, and both come with the next try") {
  std::atomic<bool> failed{false};
  ParkingEngine<Refusing> parking;
  parking.handler.when_called = [&](UnitOfWork&) {
    if (!failed.exchange(true)) throw Failure::outage("the database is away");
  };
  auto const letters = parking.park(message);
  REQUIRE(letters.size() == 1);
  CHECK(parking.handler.calls >= 2);
  CHECK(parking.database.effects() == 1);
  CHECK(parking.failed_replies(letters[0]).size() == 1);
}

TEST_CASE("an event is parked without what its handler cannot add") {
  ParkingEngine<Refusing> parking;
  parking.handler.when_called = [](UnitOfWork& unit) { unit.transaction().exec("SELECT 1 / 0"); };
  auto const letters = parking.park(message);
  REQUIRE(letters.size() == 1);
  CHECK(parking.handler.calls == 1);
  CHECK(parking.database.effects() == 0);
  CHECK(parking.database.inbox() == 1);
  CHECK(parking.failed_replies(letters[0]).empty());
}

TEST_CASE("of an event that does not decode its handler is told nothing") {
  ParkingEngine<Refusing> parking;
  auto const letters = parking.park(R"({"domain": "shop.example"})");
  REQUIRE(letters.size() == 1);
  CHECK(parking.handler.calls == 0);
  CHECK(parking.database.effects() == 0);
}

TEST_CASE("an event whose validation throws is parked") {
  ParkingEngine<HandlingUnruly> parking;
  auto const letters = parking.park(message);
  REQUIRE(letters.size() == 1);
  CHECK(header_of(letters[0], "error.class") == "exception");
}
