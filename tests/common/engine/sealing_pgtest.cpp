// Sealed events in an engine: opened before a handler sees them, and what they cause sealed again.
#include "engine/batch_work.hpp"
#include "engine/handler_work.hpp"
#include "events/conversation.hpp"
#include "handler/handler.hpp"
#include "sealing/sealer.hpp"
#include "tests/common/engine/database_engine.hpp"
#include "tests/common/engine/topic_reader.hpp"

#include <algorithm>
#include <memory>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::engine;
using namespace omnibus::engine::test;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view canary = "Wanjiru wrote this";

/// Stores what a visitor wrote, and repeats it.
struct Repeating {
  using Events = EventList<ChatMessageReceived>;

  static Task<> handle(Context& context, ChatMessageReceived const& message) {
    if (message.session_id == "refused") throw Failure::permanent("refused", "refused");
    auto committing = context.commit([&](UnitOfWork& unit) {
      unit.transaction().exec("INSERT INTO effects (key, value) VALUES ($1, $2)",
                              pqxx::params{message.session_id, message.text});
      unit.publish(ChatReplyGenerated{conversation_id_of(message.domain, message.session_id),
                                      std::string{context.event().id}, message.text},
                   message.session_id);
    });
    co_await std::move(committing);
  }
};

/// The same in batches, without replies.
struct Storing {
  using Events = EventList<ChatMessageReceived>;
  static constexpr std::size_t max_batch = 10;

  static void apply(pqxx::transaction_base& transaction,
                    std::vector<BatchItem<ChatMessageReceived> const*> const& items) {
    for (auto const* const item : items) {
      auto const& message = std::get<ChatMessageReceived>(item->event);
      transaction.exec("INSERT INTO effects (key, value) VALUES ($1, $2)",
                       pqxx::params{message.session_id, message.text});
    }
  }
};

/// A sealed and a clear tenant, a topic of their messages, and an engine once start() was called.
struct SealedTopic {
  SealedTopic() {
    database.add_tenant("sealed.example");
    database.add_tenant("clear.example");
    database.execute(
        "UPDATE tenants SET settings = '{\"privacy_preferences\": {\"log\": \"sealed\"}}' WHERE domain = "
        "'sealed.example'");
    publisher.refresh(gateway);
    worker.refresh(gateway);
  }

  static sealing::MasterKeys masters() { return sealing::MasterKeys{{Secret{"the master key of a test"}, {}}}; }

  /// A message as the gateway publishes it.
  kafka::Record message(std::string domain, std::string session) {
    auto data = json::encode(ChatMessageReceived{std::move(domain), session, std::string{canary}, {}});
    auto envelope = originate("/test", ChatMessageReceived::type);
    if (auto const plan = publisher.plan(envelope.type, data, session, ""))
      sealing::Sealer::seal(*plan, *publisher.take(*plan, gateway), envelope, data);
    return to_binary_record(envelope, data, topic, session);
  }
  template <class Adapter = HandlerWork<Repeating>, class H = Repeating>
  void start(H handler = {}) {
    auto const shared = std::make_shared<H>(std::move(handler));
    engine.emplace(
        broker, database.url_as("chat"), topic, "sealing-" + topic,
        [this, shared](auto&) {
          owner = shared;
          return std::make_unique<Adapter>(*shared);
        },
        EngineSettings{}, std::function<void(bool)>{}, &worker);
  }
  std::vector<kafka::Record> letters() {
    return read_until(broker, kafka::dead_letter_topic(topic), [](auto const& found) { return !found.empty(); });
  }

  Broker broker;
  EffectDatabase database;
  std::string const topic = broker.topic(1);
  pqxx::connection gateway{database.url_as("gateway")};
  sealing::Sealer publisher{masters()};
  sealing::Sealer worker{masters()};
  std::shared_ptr<void> owner;  // of the handler
  std::optional<DatabaseEngine> engine;
};

bool holds_canary(kafka::Record const& record) {
  return record.value.value_or("").find(canary) != std::string::npos;
}

}  // namespace

TEST_CASE("a handler sees a sealed event in clear, and what it publishes is sealed; a clear tenant's is not") {
  SealedTopic sealed;
  auto const message = sealed.message("sealed.example", "s1");
  CHECK(header_of(message, "ce_sealed") == "v1");
  CHECK_FALSE(holds_canary(message));
  REQUIRE(publish(sealed.broker, {message, sealed.message("clear.example", "c1")}));
  sealed.start();
  REQUIRE(sealed.database.await_effects(2));
  auto const effects = sealed.database.by_key();
  CHECK(effects.at("s1") == std::vector{std::string{canary}});
  CHECK(effects.at("c1") == std::vector{std::string{canary}});
  auto const mine = [&](kafka::Record const& record) {
    return record.key == "s1" ? header_of(record, "ce_correlationid") == header_of(message, "ce_id")
                              : record.key == "c1" && holds_canary(record);
  };
  auto const replies = read_until(sealed.broker, "chat.replies",
                                  [&](auto const& found) { return std::ranges::count_if(found, mine) >= 2; });
  for (auto const& reply : replies) {
    if (!mine(reply)) continue;
    CHECK(holds_canary(reply) == (reply.key == "c1"));
    CHECK(header_of(reply, "ce_sealed") == (reply.key == "c1" ? "" : "v1"));
    CHECK(reply.value->find("conversation_id") != std::string::npos);
  }
}

TEST_CASE("a dead letter carries the sealed bytes as they are") {
  SealedTopic sealed;
  auto const message = sealed.message("sealed.example", "refused");
  REQUIRE(publish(sealed.broker, {message}));
  sealed.start();
  auto const letters = sealed.letters();
  REQUIRE(letters.size() == 1);
  CHECK(letters[0].value == message.value);
  CHECK(header_of(letters[0], "ce_sealed") == "v1");
}

TEST_CASE("an event that nobody can open any more is an erased person's: its inbox row is written, and no letter") {
  SealedTopic sealed;
  REQUIRE(publish(sealed.broker, {sealed.message("sealed.example", "s1")}));
  sealed.database.execute("SELECT pipeline.destroy_subject_keys('{" +
                          alias(conversation_id_of("sealed.example", "s1")).text() + "}')");
  REQUIRE(publish(sealed.broker, {sealed.message("clear.example", "c1")}));
  sealed.start();
  REQUIRE(sealed.database.await_effects(1));
  REQUIRE(eventually([&] { return sealed.engine->counters().handled == 2; }));
  CHECK(sealed.engine->counters().erased == 1);
  CHECK(sealed.engine->counters().dead_lettered == 0);
  CHECK(sealed.database.effects() == 1);
  CHECK(sealed.database.inbox() == 2);
}

TEST_CASE("an event whose key is missing waits, those of others go on, and it is handled when the key is there") {
  SealedTopic sealed;
  REQUIRE(publish(sealed.broker, {sealed.message("sealed.example", "s1"), sealed.message("clear.example", "c1")}));
  sealed.database.execute("CREATE TABLE away AS TABLE pipeline.subject_keys; TRUNCATE pipeline.subject_keys");
  sealed.start();
  REQUIRE(sealed.database.await("SELECT count(*) FROM effects WHERE key = 'c1'", 1));
  REQUIRE(eventually([&] { return sealed.engine->counters().deferred >= 2; }));
  CHECK(sealed.engine->counters().erased == 0);
  CHECK(sealed.engine->counters().retried == 0);
  CHECK(sealed.engine->counters().dead_lettered == 0);
  sealed.database.execute("INSERT INTO pipeline.subject_keys TABLE away");
  CHECK(sealed.database.await_effects(2));
}

TEST_CASE("a sealed field that does not open is parked as seal_broken") {
  SealedTopic sealed;
  auto message = sealed.message("sealed.example", "s1");
  for (auto& header : message.headers)
    if (header.name == "ce_id") header.value = "another id";
  REQUIRE(publish(sealed.broker, {message}));
  sealed.start();
  auto const letters = sealed.letters();
  REQUIRE(letters.size() == 1);
  CHECK(header_of(letters[0], "error.class") == "seal_broken");
  CHECK(letters[0].value == message.value);
}

TEST_CASE("batches take sealed events as well, and leave out those of erased people") {
  SealedTopic sealed;
  std::vector<kafka::Record> messages;
  for (auto const* const session : {"s1", "s2", "s3"}) messages.push_back(sealed.message("sealed.example", session));
  messages.push_back(sealed.message("clear.example", "c1"));
  REQUIRE(publish(sealed.broker, messages));
  sealed.database.execute("SELECT pipeline.destroy_subject_keys('{" +
                          alias(conversation_id_of("sealed.example", "s2")).text() + "}')");
  sealed.start<BatchWork<Storing>, Storing>();
  REQUIRE(sealed.database.await_effects(3));
  REQUIRE(eventually([&] { return sealed.engine->counters().handled == 4; }));
  CHECK(sealed.database.effects() == 3);
  CHECK(sealed.database.by_key().at("s3") == std::vector{std::string{canary}});
  CHECK(sealed.engine->counters().dead_lettered == 0);
  CHECK(sealed.engine->counters().erased == 1);
}
