// What an engine does with events about people who are or were erased.
#include "engine/batch_work.hpp"
#include "engine/commit/dead_letter.hpp"
#include "engine/handler_work.hpp"
#include "events/conversation.hpp"
#include "json/encode.hpp"
#include "tests/common/engine/database_engine.hpp"
#include "tests/common/engine/topic_reader.hpp"

#include <atomic>
#include <memory>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::engine;
using namespace omnibus::engine::test;
using namespace std::chrono_literals;

namespace {

/// Writes the effect of each message, after whatever a test has it do before.
struct Writer {
  using Events = EventList<ChatMessageReceived>;

  Task<> handle(Context& context, ChatMessageReceived const& message) {
    ++calls;
    most_attempts = std::max(most_attempts.load(), context.attempt());
    if (before) {
      auto doing = before(context, message);
      co_await std::move(doing);
    }
    auto committing = context.commit(effect_of(context));
    co_await std::move(committing);
  }
  void gave_up(Context& context, ChatMessageReceived const&, Failure const&, UnitOfWork& unit) {
    effect_of(context)(unit);
  }

  std::function<Task<>(Context&, ChatMessageReceived const&)> before{};
  std::atomic<int> calls{0};
  std::atomic<std::uint32_t> most_attempts{0};
};

/// Counts messages at once, without a transaction.
struct Counting {
  using Events = EventList<ChatMessageReceived>;
  void handle(Context&, ChatMessageReceived const&) { ++calls; }
  std::atomic<int> calls{0};
};

struct InBatches {
  using Events = EventList<ChatMessageReceived>;
  static constexpr std::size_t max_batch = 50;
  void apply(pqxx::transaction_base& transaction, std::vector<BatchItem<ChatMessageReceived> const*> const& items) {
    for (auto const* const item : items)
      transaction.exec("INSERT INTO effects (key, value) VALUES ($1, 'x')",
                       pqxx::params{std::get<ChatMessageReceived>(item->event).session_id});
  }
};

std::string key_of(std::string const& session) {
  return alias(conversation_id_of("shop.example", session)).text();
}

/// A topic of one partition, and a database in which its people are erased.
template <class H>
struct Erasing {
  kafka::Record message(std::string const& session, std::vector<Header> headers = {}) const {
    ChatMessageReceived const data{"shop.example", session, "Hello", {}};
    auto record = to_binary_record(originate("/test", data.type), json::encode(data), topic, session);
    for (auto& header : headers) record.headers.push_back(std::move(header));
    return record;
  }
  void send(std::vector<kafka::Record> const& records) { REQUIRE(publish(broker, records)); }
  void begin(std::string const& session) const {
    database.execute("SELECT pipeline.begin_erasure(gen_random_uuid(), 'shop.example', ARRAY['" + key_of(session) +
                     "'])");
  }
  void set_end(std::string const& session, std::int64_t end) const {
    database.execute("SELECT pipeline.set_erasure_positions(ARRAY['" + key_of(session) + "'], '{\"" + topic +
                     "\": {\"0\": " + std::to_string(end) + "}}')");
  }
  void erase(std::string const& session, std::int64_t end) const {
    begin(session);
    set_end(session, end);
  }
  void start() {
    EngineSettings settings;
    settings.recoverability.base_delay = 5ms;
    settings.recoverability.longest_delay = 50ms;
    settings.recoverability.first_deferral = 5ms;
    settings.recoverability.longest_requested = 20ms;
    auto const make = [this](auto&) -> std::unique_ptr<Work> {
      if constexpr (BatchHandler<H>)
        return std::make_unique<BatchWork<H>>(handler);
      else
        return std::make_unique<HandlerWork<H>>(handler);
    };
    engine.emplace(broker, database.url_as("chat"), topic, "erased-" + topic, make, settings);
  }
  /// Waits until so many records are finished.
  void await(std::uint64_t finished) {
    REQUIRE(eventually([&] { return engine->counters().handled >= finished; }));
    engine->stop();
  }
  std::int64_t letters() const {
    return kafka::Admin{broker.client}.watermarks(kafka::dead_letter_topic(topic))[0].high;
  }

  Broker broker;
  EffectDatabase database;
  std::string const topic = broker.topic(1);
  H handler;
  std::optional<DatabaseEngine> engine;
};

}  // namespace

TEST_CASE("a backlog about an erased person is left out before it is handled; what comes later is a new person's") {
  Erasing<Writer> erasing;
  erasing.send({erasing.message("gone"), erasing.message("other"), erasing.message("gone")});
  erasing.erase("gone", 3);
  erasing.send({erasing.message("gone")});
  erasing.start();
  erasing.await(4);
  CHECK(erasing.engine->counters().erased == 2);
  CHECK(erasing.handler.calls == 2);
  CHECK(erasing.database.effects() == 2);
  CHECK(erasing.database.inbox() == 4);
}

TEST_CASE("whom the engine suspects and the database does not refuse is handled once") {
  Erasing<Writer> erasing;
  erasing.send({erasing.message("early"), erasing.message("early"), erasing.message("late")});
  erasing.erase("early", 1);
  erasing.erase("late", 3);
  erasing.start();
  erasing.await(3);
  CHECK(erasing.engine->counters().erased == 2);
  CHECK(erasing.handler.calls == 1);
  CHECK(erasing.database.effects() == 1);
}

TEST_CASE("what is being handled when an erasure begins waits without an attempt, and is left out") {
  for (bool const in_checkpoint : {false, true}) {
    CAPTURE(in_checkpoint);
    Erasing<Writer> erasing;
    std::atomic<bool> begun{false};
    erasing.handler.before = [&](Context& context, ChatMessageReceived const& message) -> Task<> {
      if (message.session_id == "gone" && !begun.exchange(true)) erasing.begin("gone");
      if (!in_checkpoint) co_return;
      auto saving = context.checkpoint("answer", effect_of(context));
      co_await std::move(saving);
    };
    erasing.send({erasing.message("gone"), erasing.message("other")});
    erasing.start();
    REQUIRE(eventually([&] { return erasing.engine->counters().deferred >= 3; }));
    REQUIRE(eventually([&] { return erasing.engine->counters().handled == 1; }));
    erasing.set_end("gone", 2);
    erasing.await(2);
    CHECK(erasing.engine->counters().erased == 1);
    CHECK(erasing.handler.most_attempts == 1);
    CHECK(erasing.database.effects() == (in_checkpoint ? 2 : 1));
    // The refused checkpoint may have left a row as well.
    CHECK(erasing.database.inbox() >= (in_checkpoint ? 3 : 2));
    CHECK(erasing.letters() == 0);
  }
}

TEST_CASE("the commit and the checkpoint of what is being handled are refused once the person was erased") {
  for (bool const in_checkpoint : {false, true}) {
    CAPTURE(in_checkpoint);
    Erasing<Writer> erasing;
    erasing.handler.before = [&](Context& context, ChatMessageReceived const&) -> Task<> {
      erasing.erase("gone", 1);
      if (!in_checkpoint) co_return;
      auto saving = context.checkpoint("answer", effect_of(context));
      co_await std::move(saving);
    };
    erasing.send({erasing.message("gone")});
    erasing.start();
    erasing.await(1);
    CHECK(erasing.engine->counters().erased == 1);
    CHECK(erasing.handler.calls == 1);
    CHECK(erasing.database.effects() == 0);
    CHECK(erasing.database.number("SELECT count(*) FROM pipeline.inbox") == (in_checkpoint ? 2 : 1));
  }
}

TEST_CASE("no dead letter is written about an erased person, and nothing that its handler would add") {
  Erasing<Writer> erasing;
  erasing.handler.before = [&](Context&, ChatMessageReceived const& message) -> Task<> {
    if (message.session_id == "gone") erasing.erase("gone", 1);
    throw Failure::permanent("refused", "refused");
    co_return;  // for the compiler: it is a coroutine
  };
  erasing.send({erasing.message("gone"), erasing.message("other")});
  erasing.start();
  erasing.await(2);
  CHECK(erasing.engine->counters().erased == 1);
  CHECK(erasing.engine->counters().dead_lettered == 1);
  CHECK(erasing.letters() == 1);
  CHECK(erasing.database.effects() == 1);
  CHECK(erasing.database.inbox() == 2);
  CHECK(erasing.database.number("SELECT count(*) FROM pipeline.inbox WHERE error_class IS NOT NULL") == 1);
}

TEST_CASE("what does not decode is parked unless its key stands for an erased person") {
  Erasing<Writer> erasing;
  auto const broken = [&](std::string const& key) {
    return to_binary_record(originate("/test", ChatMessageReceived::type), "{}", erasing.topic, key);
  };
  erasing.send({broken(key_of("gone")), broken(key_of("other")), broken("no key of a person")});
  erasing.erase("gone", 3);
  erasing.start();
  erasing.await(3);
  CHECK(erasing.engine->counters().erased == 1);
  CHECK(erasing.engine->counters().dead_lettered == 2);
  CHECK(erasing.letters() == 2);
}

TEST_CASE("a redriven record is where it failed at first; an origin that is none is not believed") {
  Erasing<Writer> erasing;
  auto const redriven = [&](std::string const& origin) {
    return erasing.message("gone", {{std::string{origin_header}, origin}});
  };
  erasing.send({redriven(erasing.topic + "/0/4"), redriven(erasing.topic + "/0/5"), redriven("nonsense")});
  erasing.begin("gone");
  erasing.database.execute("SELECT pipeline.set_erasure_positions(ARRAY['" + key_of("gone") + "'], '{\"" +
                           erasing.topic + "\": {\"0\": 5}}')");
  erasing.start();
  erasing.await(3);
  CHECK(erasing.engine->counters().erased == 2);
  CHECK(erasing.database.effects() == 1);
}

TEST_CASE("work that never waits does not see an erased person's events either") {
  Erasing<Counting> erasing;
  erasing.send({erasing.message("gone"), erasing.message("other"), erasing.message("gone")});
  erasing.erase("gone", 3);
  erasing.send({erasing.message("gone")});
  erasing.start();
  erasing.await(4);
  CHECK(erasing.engine->counters().erased == 2);
  CHECK(erasing.handler.calls == 2);
}

TEST_CASE("a batch leaves out what is about an erased person, and waits while somebody is being erased") {
  Erasing<InBatches> erasing;
  erasing.send({erasing.message("gone"), erasing.message("other"), erasing.message("gone")});
  erasing.begin("gone");
  erasing.start();
  CHECK_FALSE(erasing.database.await_effects(1, 1s));
  erasing.set_end("gone", 2);
  erasing.await(3);
  CHECK(erasing.engine->counters().erased == 1);
  CHECK(erasing.database.effects() == 2);
  CHECK(erasing.database.inbox() == 3);
}

TEST_CASE("an origin is a topic, a partition and an offset") {
  auto const origin = parse_origin("chat.messages.dlq/3/17");
  REQUIRE(origin);
  CHECK(origin->where.topic == "chat.messages.dlq");
  CHECK(origin->where.partition == 3);
  CHECK(origin->offset == 17);
  for (auto const* const text : {"", "/", "//", "a//", "a/1/", "a//1", "/1/2", "a/1", "a/-1/2", "a/1/-2", "a/1/2x",
                                 "a/99999999999/2", "a/1/99999999999999999999"})
    CHECK_FALSE(parse_origin(text));
}
