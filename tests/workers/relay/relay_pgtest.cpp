#include "postgres/outbox.hpp"
#include "tests/common/engine/topic_reader.hpp"
#include "tests/common/postgres/database_fixture.hpp"
#include "workers/relay/relay.hpp"

#include <optional>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

using namespace omnibus;
using namespace omnibus::engine::test;

namespace {

constexpr std::int16_t produce_api = 0;

kafka::ClientSettings impatient(kafka::ClientSettings client);

/// Rows that nobody publishes, and a relay that does.
struct LeftBehind {
  LeftBehind() {
    settings.age = std::chrono::milliseconds{0};
    publishing.message_timeout = std::chrono::milliseconds{0};
  }
  void leave(int count) {
    std::vector<postgres::OutboxRow> rows;
    for (; count > 0; --count) {
      expected.push_back(std::to_string(expected.size()));
      rows.push_back({++last_id, {topic, "key", expected.back(), {}, {}}});
    }
    insert(rows);
  }
  /// Rows that the broker will not take.
  void leave_others(int count, std::string const& to, std::string const& value) {
    std::vector<postgres::OutboxRow> rows;
    for (; count > 0; --count) rows.push_back({++last_id, {to, "key", value, {}, {}}});
    insert(rows);
  }
  std::size_t sweep() {
    if (!relay) relay.emplace(producer, settings);
    return relay->sweep(connection).published;
  }
  template <class Value = int>
  Value ask(std::string const& query) {
    return pqxx::nontransaction{connection}.query_value<Value>(query);
  }
  int left() { return ask("SELECT count(*) FROM pipeline.outbox"); }
  int refused() { return ask("SELECT count(*) FROM pipeline.outbox WHERE refused IS NOT NULL"); }
  std::vector<std::string> published() {
    std::vector<std::string> values;
    for (auto const& record : read_all(broker, topic, expected.size())) values.push_back(record.value.value());
    return values;
  }

 private:
  void insert(std::vector<postgres::OutboxRow> const& rows) {
    pqxx::connection chat{database.url_as("chat")};
    pqxx::nontransaction{chat}.exec(postgres::outbox_insert(chat, {"chat", "chat.messages", 0}, rows));
  }

  std::int64_t last_id = 0;

 public:
  Broker broker;
  std::string const topic = broker.topic(1);
  omnibus::test::TestDatabase database;
  pqxx::connection connection{database.url_as("relay")};
  relay::SweepSettings settings;
  kafka::ProducerSettings publishing;
  kafka::Producer producer{impatient(broker.client), publishing};
  std::optional<relay::Relay> relay;
  std::vector<std::string> expected;
};

/// Gives a missing topic up after a second instead of thirty.
kafka::ClientSettings impatient(kafka::ClientSettings client) {
  client.options = Secret{"topic.metadata.propagation.max.ms=1000"};
  return client;
}

}  // namespace

TEST_CASE("what was left behind is published in its order, part by part, and removed") {
  LeftBehind rows;
  rows.leave(25);
  rows.settings.limit = 10;
  CHECK(rows.sweep() == 10);
  CHECK(rows.sweep() == 10);
  CHECK(rows.sweep() == 5);
  CHECK(rows.sweep() == 0);
  CHECK(rows.left() == 0);
  CHECK(rows.published() == rows.expected);
}

TEST_CASE("rows that failed with the producer's connection stay, and go in their order") {
  LeftBehind rows;
  if (rows.broker.embedded() == nullptr) return;  // no other broker fails when it is told to
  rows.leave(50);
  rows.broker.embedded()->fail_next(produce_api, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
  CHECK(eventually([&] {
    try {
      rows.sweep();
    } catch (kafka::Error const& error) {
      CHECK(error.retriable());
    }
    return rows.left() == 0;
  }));
  CHECK(rows.producer.generation() == 1);
  CHECK(rows.published() == rows.expected);
}

TEST_CASE("while the broker is away rows are handed over once") {
  LeftBehind rows;
  if (rows.broker.embedded() == nullptr) return;
  rows.settings.patience = std::chrono::milliseconds{50};
  rows.broker.embedded()->set_down(1);
  rows.leave(10);
  CHECK(rows.sweep() == 0);
  for (auto i = 0; i < 3; ++i) CHECK(rows.sweep() == 0);
  CHECK(rows.producer.in_flight() == 10);
  CHECK(rows.left() == 10);
  rows.broker.embedded()->set_up(1);
  std::size_t published = 0;
  CHECK(eventually([&] { return (published += rows.sweep()) == 10; }));  // of the first sweep, which did not wait
  CHECK(rows.left() == 0);
  CHECK(rows.published() == rows.expected);
}

TEST_CASE("rows that are too large are set aside once, and those around them go out") {
  LeftBehind rows;
  rows.leave(5);
  rows.leave_others(10, rows.topic, std::string(3 << 20, ' '));
  rows.leave(5);
  CHECK(rows.sweep() == 10);
  CHECK(rows.refused() == 10);
  CHECK(rows.ask("SELECT count(*) FROM pipeline.outbox WHERE attempts = 1 AND not_before IS NULL") == 10);
  CHECK(rows.ask<std::string>("SELECT DISTINCT refused FROM pipeline.outbox").find("too large") != std::string::npos);
  rows.leave(5);
  CHECK(rows.sweep() == 5);
  CHECK(rows.ask("SELECT max(attempts) FROM pipeline.outbox") == 1);
  CHECK(rows.published() == rows.expected);
}

TEST_CASE("a missing topic keeps nobody waiting; its rows are set aside, and go out once it is there") {
  LeftBehind rows;
  auto* const broker = rows.broker.embedded();
  if (broker == nullptr) return;  // Apache Kafka's topics are missing or not
  auto const missing = rows.broker.topic(1);
  broker->refuse_topic(missing, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
  rows.settings.patience = std::chrono::milliseconds{300};
  rows.leave_others(1'500, missing, "lost");
  rows.leave(20);
  auto const begun = std::chrono::steady_clock::now();
  std::size_t published = 0;
  CHECK(eventually([&] { return (published += rows.sweep()) == 20; }));
  CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds{10});
  CHECK(rows.published() == rows.expected);
  CHECK(eventually([&] {
    rows.sweep();
    return rows.refused() == 1'500;
  }));
  CHECK(rows.ask("SELECT count(*) FROM pipeline.outbox WHERE not_before > now() + interval '50 seconds'") == 1'500);
  rows.sweep();
  CHECK(rows.ask("SELECT max(attempts) FROM pipeline.outbox") == 1);

  broker->refuse_topic(missing, RD_KAFKA_RESP_ERR_NO_ERROR);
  pqxx::connection admin{rows.database.url()};
  pqxx::nontransaction{admin}.exec("UPDATE pipeline.outbox SET not_before = now(), attempts = 1");
  CHECK(eventually([&] {
    rows.sweep();
    if (rows.refused() > 0)
      pqxx::nontransaction{admin}.exec("UPDATE pipeline.outbox SET not_before = now() WHERE refused IS NOT NULL");
    return rows.left() == 0;
  }));
  CHECK(read_all(rows.broker, missing, 1'500).size() == 1'500);
}
