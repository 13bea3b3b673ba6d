// Replays of the chat worker's topic, with handlers of the test's own, as role replay.
#include "engine/batch_work.hpp"
#include "engine/handler_work.hpp"
#include "engine/replay/replay_session.hpp"
#include "events/conversation.hpp"
#include "handler/failure.hpp"
#include "http/client.hpp"
#include "json/encode.hpp"
#include "tests/common/engine/database_engine.hpp"
#include "tests/common/engine/topic_reader.hpp"

#include <atomic>
#include <future>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::engine;
using namespace omnibus::engine::test;

namespace {

constexpr auto topic = "chat.messages";
constexpr kafka::Moment earliest{kafka::Moment::Kind::earliest, 0};
constexpr kafka::Moment now{kafka::Moment::Kind::now, 0};

ReplayArguments arguments(std::string run, std::optional<kafka::Moment> from = earliest,
                          std::optional<kafka::Moment> to = now) {
  return {std::move(run), from, to, {}, false};
}

class ReplayDatabase : public EffectDatabase {
 public:
  ReplayDatabase() { execute("GRANT ALL ON effects, effects_id_seq TO omnibus_replay"); }

  PoolSettings settings(std::string const& role = "replay") const {
    PoolSettings settings;
    settings.url = url_as(role);
    settings.size = 2;
    return settings;
  }
  ReplayStatus status(std::string const& run) const {
    pqxx::connection connection{url()};
    pqxx::work transaction{connection};
    return replay_status(transaction, run).at(0);
  }
};

/// One process of a replay, as the worker's main function runs it.
int replay(Broker const& broker, ReplayDatabase const& database, ReplayArguments const& asked,
           MakeWork const& make_work, std::string const& member = "one") {
  ReplaySession session{asked, "chat", "omnibus-chat", member, broker.client, database.settings()};
  if (session.ended()) return session.finish(nullptr);
  boost::asio::io_context loop{1};
  kafka::Producer producer{broker.client};
  TransactionPool pool{database.settings()};
  kafka::ConsumerSettings consumer;
  consumer.group = session.run().group;
  consumer.topics = session.run().topics;
  consumer.protocol = broker.protocol();
  consumer.tell_ends = true;
  auto const work = make_work(loop);
  EngineSettings settings;
  settings.recoverability.max_attempts = 2;
  settings.recoverability.base_delay = std::chrono::milliseconds{1};
  Engine engine{loop,     Identity{"chat", consumer.group, member, session.run().id(), session.run().run},
                settings, broker.client,
                consumer, Ports{producer, &pool, {}, {}, {}, &session.replay()},
                *work};
  auto const leave = [&](std::exception_ptr const&) {
    boost::asio::co_spawn(loop, engine.stop(), [&](std::exception_ptr const&, bool) { loop.stop(); });
  };
  boost::asio::co_spawn(loop, session.watch(engine, pool), leave);
  engine.start();
  loop.run();
  pool.close();
  return session.finish(&engine);
}

class StoreAll {
 public:
  using Events = EventList<ChatMessageReceived>;
  static constexpr std::size_t max_batch = 100;
  void apply(pqxx::transaction_base& transaction, std::vector<BatchItem<ChatMessageReceived> const*> const& items) {
    for (auto const* const item : items)
      transaction.exec("INSERT INTO effects (key, value) VALUES ($1, $2)",
                       pqxx::params{std::get<ChatMessageReceived>(item->event).session_id, "x"});
  }
};

/// The same, one by one.
struct StoreEach {
  using Events = EventList<ChatMessageReceived>;
  Task<> handle(Context& context, ChatMessageReceived const&) {
    ++calls;
    auto committing = context.commit(effect_of(context));
    co_await std::move(committing);
  }
  std::atomic<int> calls{0};
};

}  // namespace

TEST_CASE("a replay handles what its window holds, publishes nothing of it and ends") {
  Broker broker;
  ReplayDatabase const database;
  REQUIRE(publish(broker, numbered_events(topic, 10, 4)));
  CHECK(replay(broker, database, arguments("first"), each(write_and_reply)) == ReplaySession::ended_well);
  CHECK(database.effects() == 40);
  for (auto const& [key, values] : database.by_key()) CHECK(values == numbers(4));
  CHECK(database.outbox() == 0);
  CHECK(kafka::Admin{broker.client}.watermarks("chat.replies")[0].high == 0);
  auto const status = database.status("first");
  CHECK(status.state == "ended");
  CHECK(status.events == 40);
  CHECK(status.done == 40);
  CHECK(status.handled == 40);
  CHECK(status.suppressed == 40);

  // What comes later is no part of it, under the same name there is nothing left to do, and another run starts anew.
  REQUIRE(publish(broker, numbered_events(topic, 10, 1)));
  CHECK(replay(broker, database, arguments("first"), each(write_and_reply)) == ReplaySession::ended_well);
  CHECK(replay(broker, database, arguments("first", {}, {}), each(write_and_reply)) == ReplaySession::ended_well);
  CHECK(database.effects() == 40);
  CHECK(replay(broker, database, arguments("second"), each(write_and_reply)) == ReplaySession::ended_well);
  CHECK(database.effects() == 90);
}

TEST_CASE("records behind the window are not handled, though its end lies in the middle of what is fetched") {
  Broker broker;
  ReplayDatabase const database;
  REQUIRE(publish(broker, numbered_events(topic, 5, 1)));
  // The window is fixed as the run begins; more is published before it is read.
  {
    ReplaySession const begun{arguments("bounded"), "chat", "omnibus-chat", "one", broker.client, database.settings()};
  }
  REQUIRE(publish(broker, numbered_events(topic, 5, 3)));
  CHECK(replay(broker, database, arguments("bounded"), each(write_and_reply)) == ReplaySession::ended_well);
  CHECK(database.effects() == 5);
}

TEST_CASE("a replay has an inbox and a fence of its own") {
  Broker broker;
  ReplayDatabase const database;
  REQUIRE(publish(broker, numbered_events(topic, 3, 1)));
  CHECK(replay(broker, database, arguments("own"), each(write_and_reply)) == ReplaySession::ended_well);
  auto const count = [&](std::string const& what) { return database.number("SELECT count(*) FROM pipeline." + what); };
  CHECK(count("inbox WHERE run_id = '00000000-0000-0000-0000-000000000000'") == 0);
  CHECK(count("inbox WHERE consumer = 'chat'") == 3);
  CHECK(count("fence WHERE topic = 'chat.messages'") == 0);
  CHECK(count("fence WHERE topic = 'chat.messages@own'") == 12);
}

TEST_CASE("what fails for good, or too often, is counted by its class and parked nowhere") {
  Broker broker;
  ReplayDatabase const database;
  REQUIRE(publish(broker, numbered_events(topic, 4, 1)));
  auto const handle = [&](Context& context) -> Task<> {
    if (context.key() == "key-1") throw Failure::permanent("never", "hopeless");
    if (context.key() == "key-2") throw Failure::transient("not now");
    if (context.key() == "key-3") {
      context.pass_over("not wanted");
      co_return;
    }
    auto writing = write_and_reply(context);
    co_await std::move(writing);
  };
  CHECK(replay(broker, database, arguments("failing"), each(handle)) == ReplaySession::ended_with_failures);
  auto const status = database.status("failing");
  CHECK(status.handled == 1);
  CHECK(status.failed == 2);
  CHECK(status.skipped == 1);
  CHECK(database.number("SELECT count(*) FROM pipeline.replay_outcomes WHERE outcome = 'failed' AND reason IN "
                        "('hopeless', 'transient')") == 2);
  CHECK(kafka::Admin{broker.client}.watermarks("chat.messages.dlq")[0].high == 0);
  CHECK(database.outbox() == 0);
}

TEST_CASE("a batch handler replays as well") {
  Broker broker;
  ReplayDatabase const database;
  std::vector<kafka::Record> records;
  for (int i = 0; i < 30; ++i) {
    ChatMessageReceived const data{"shop.example", "s-" + std::to_string(i), "hello", {}};
    records.push_back(to_binary_record(originate("/test", data.type), json::encode(data), topic, data.session_id));
  }
  REQUIRE(publish(broker, records));
  StoreAll handler;
  auto const make = [&](boost::asio::io_context&) { return std::make_unique<BatchWork<StoreAll>>(handler); };
  CHECK(replay(broker, database, arguments("batches"), make) == ReplaySession::ended_well);
  CHECK(database.effects() == 30);
  CHECK(database.status("batches").handled == 30);
}

TEST_CASE("processes share a replay, and each ends when all of it is done") {
  Broker broker;
  ReplayDatabase const database;
  REQUIRE(publish(broker, numbered_events(topic, 50, 6)));
  auto const part = [&](std::string const& member) {
    return std::async(std::launch::async, [&, member] {
      return replay(broker, database, arguments("shared"), each(write_and_reply), member);
    });
  };
  auto one = part("one");
  auto two = part("two");
  CHECK(one.get() == ReplaySession::ended_well);
  CHECK(two.get() == ReplaySession::ended_well);
  CHECK(database.effects() == 300);
  for (auto const& [key, values] : database.by_key()) CHECK(values == numbers(6));
}

TEST_CASE("a window that holds nothing has ended as it begins") {
  Broker broker;
  ReplayDatabase const database;
  CHECK(replay(broker, database, arguments("empty"), each(write_and_reply)) == ReplaySession::ended_well);
  CHECK(database.status("empty").state == "ended");
}

TEST_CASE("a role that may publish cannot replay, and a run is what it was begun as") {
  Broker broker;
  ReplayDatabase const database;
  auto const begin = [&](ReplayArguments const& asked, std::string const& worker = "chat",
                         std::string const& role = "replay") {
    ReplaySession const session{asked, worker, "omnibus-" + worker, "one", broker.client, database.settings(role)};
  };
  CHECK_THROWS_WITH(begin(arguments("x"), "chat", "chat"), doctest::Contains("REPLAY_DATABASE_URL"));
  CHECK(database.number("SELECT count(*) FROM pipeline.replay_runs") == 0);
  CHECK_THROWS_WITH(begin(arguments("x", {}, {})), doctest::Contains("there is no run x"));

  REQUIRE(publish(broker, numbered_events(topic, 1, 1)));
  CHECK_NOTHROW(begin(arguments("x")));
  CHECK_NOTHROW(begin(arguments("x")));
  CHECK_NOTHROW(begin(arguments("x", {}, {})));
  CHECK_THROWS_WITH(begin(arguments("x", earliest, kafka::Moment{kafka::Moment::Kind::time, 1'800'000'000'000})),
                    doctest::Contains("take another name"));
  CHECK_THROWS_WITH(begin(arguments("x"), "gateway"), doctest::Contains("by the worker chat"));
}

TEST_CASE("a role that may write any ledger of the pipeline cannot replay, one that is new to this program too") {
  Broker broker;
  ReplayDatabase const database;
  REQUIRE(publish(broker, numbered_events(topic, 1, 1)));
  auto const begin = [&] {
    ReplaySession const session{arguments("x"), "chat", "omnibus-chat", "one", broker.client, database.settings()};
  };
  database.execute("CREATE TABLE pipeline.payments (id int); GRANT SELECT ON pipeline.payments TO omnibus_replay");
  CHECK_NOTHROW(begin());
  for (std::string const right : {"INSERT", "UPDATE", "DELETE"}) {
    for (std::string const table : {"payments", "spend"}) {
      CAPTURE(right + " " + table);
      database.execute("GRANT " + right + " ON pipeline." + table + " TO omnibus_replay");
      CHECK_THROWS_WITH(begin(), doctest::Contains(("pipeline." + table).c_str()));
      database.execute("REVOKE " + right + " ON pipeline." + table + " FROM omnibus_replay");
    }
  }
}

TEST_CASE("in a replay a handler that publishes or calls someone by itself fails, and nothing leaves the process") {
  Broker broker;
  ReplayDatabase const database;
  REQUIRE(publish(broker, numbered_events(topic, 1, 1)));
  kafka::Producer producer{broker.client};
  std::atomic<int> refused = 0;
  auto const handle = [&](Context&) -> Task<> {
    boost::asio::io_context loop{1};
    http::Client client{loop};
    http::ClientRequest request;
    request.url = http::parse_url("http://127.0.0.1:9/").value();
    try {
      auto sending = client.fetch(request);
      static_cast<void>(co_await std::move(sending));
    } catch (OutgoingRefused const&) {
      ++refused;
    }
    kafka::Record record;
    record.topic = "chat.replies";
    producer.produce(record, {});
  };
  CHECK(replay(broker, database, arguments("outgoing"), each(handle)) == ReplaySession::ended_with_failures);
  CHECK(refused > 0);
  CHECK(producer.in_flight() == 0);
  CHECK(database.status("outgoing").failed == 1);
  CHECK_NOTHROW(require_outgoing("the next test's"));
}

TEST_CASE("what is about an erased person is skipped in a replay, one by one and in batches") {
  Broker broker;
  ReplayDatabase const database;
  std::vector<kafka::Record> records;
  for (int i = 0; i < 30; ++i) {
    ChatMessageReceived const data{"shop.example", "s-" + std::to_string(i % 3), "hello", {}};
    records.push_back(to_binary_record(originate("/test", data.type), json::encode(data), topic, data.session_id));
  }
  REQUIRE(publish(broker, records));
  std::string positions;
  for (int partition = 0; partition < 12; ++partition)
    positions += (partition > 0 ? ", \"" : "\"") + std::to_string(partition) + "\": 1000";
  database.execute("INSERT INTO pipeline.erasures (subject_key, domain, request_id, positions) VALUES ('" +
                   alias(conversation_id_of("shop.example", "s-1")).text() +
                   "', 'shop.example', gen_random_uuid(), '{\"chat.messages\": {" + positions + "}}')");
  StoreAll batches;
  StoreEach singles;
  auto const in_batches = [&](boost::asio::io_context&) { return std::make_unique<BatchWork<StoreAll>>(batches); };
  auto const one_by_one = [&](boost::asio::io_context&) { return std::make_unique<HandlerWork<StoreEach>>(singles); };
  for (auto const& each : {std::pair<std::string, MakeWork>{"batches", in_batches}, {"singles", one_by_one}}) {
    auto const& run = each.first;
    auto const& make = each.second;
    CAPTURE(run);
    database.execute("TRUNCATE effects");
    CHECK(replay(broker, database, arguments(run), make) == ReplaySession::ended_well);
    CHECK(database.effects() == 20);
    auto const status = database.status(run);
    CHECK(status.done == 30);
    CHECK(status.handled == 20);
    CHECK(status.skipped == 10);
    CHECK(database.number("SELECT events FROM pipeline.replay_outcomes WHERE outcome = 'skipped' AND reason = 'erased' "
                          "AND run = '" +
                          run + "'") == 10);
  }
  CHECK(singles.calls == 20);
}
