#include "postgres/outbox.hpp"
#include "tests/common/engine/topic_reader.hpp"
#include "tests/common/postgres/database_fixture.hpp"
#include "workers/relay/relay.hpp"

#include <doctest/doctest.h>
#include <pqxx/pqxx>

using namespace omnibus;
using namespace omnibus::engine::test;

namespace {

constexpr std::int16_t produce_api = 0;

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
      rows.push_back({static_cast<std::int64_t>(expected.size()), {topic, "key", expected.back(), {}, {}}});
    }
    pqxx::connection chat{database.url_as("chat")};
    pqxx::nontransaction{chat}.exec(postgres::outbox_insert(chat, {"chat", "chat.messages", 0}, rows));
  }
  std::size_t sweep() { return relay::sweep(connection, producer, settings); }
  int left() { return pqxx::nontransaction{connection}.query_value<int>("SELECT count(*) FROM pipeline.outbox"); }
  std::vector<std::string> published() {
    std::vector<std::string> values;
    for (auto const& record : read_all(broker, topic, expected.size())) values.push_back(record.value.value());
    return values;
  }

  Broker broker;
  std::string const topic = broker.topic(1);
  omnibus::test::TestDatabase database;
  pqxx::connection connection{database.url_as("relay")};
  relay::SweepSettings settings;
  kafka::ProducerSettings publishing;
  kafka::Producer producer{broker.client, publishing};
  std::vector<std::string> expected;
};

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
  for (auto i = 0; i < 3; ++i) CHECK_THROWS_AS(rows.sweep(), std::runtime_error);
  CHECK(rows.producer.in_flight() == 10);
  CHECK(rows.left() == 10);
  rows.broker.embedded()->set_up(1);
  rows.settings.patience = std::chrono::seconds{30};
  CHECK(rows.sweep() == 10);  // those of the first sweep were taken, but nobody knew when they were
  CHECK(rows.left() == 0);
}
