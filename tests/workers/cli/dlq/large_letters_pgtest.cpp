// Letters that are too large for their topic, or that a broker refuses.
#include "failing.hpp"
#include "postgres/outbox_publishing.hpp"
#include "workers/cli/dlq/refused_rows.hpp"

#include <algorithm>
#include <set>
#include <thread>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::engine;
using namespace omnibus::engine::test;
using namespace std::chrono_literals;
using cli::RedriveSettings;
using cli::test::Failing;
using postgres::LetterAction;

namespace {

/// A client whose own limit is raised: Kafka limits what is left after compression.
kafka::ProducerSettings sending_large() {
  kafka::ProducerSettings settings;
  settings.max_message = postgres::largest_stored_record;
  return settings;
}

bool publish_large(Broker const& broker, std::vector<kafka::Record> const& records) {
  kafka::Producer producer{broker.client, sending_large()};
  for (auto const& record : records) producer.produce(record, {});
  return producer.flush(std::chrono::seconds{30});
}

/// 3 MB, which lz4 makes 12 KB of.
kafka::Record large_event(std::string const& topic, std::string const& key) {
  auto record = event(topic, key, 0);
  record.value = std::string(3 << 20, ' ');
  return record;
}

}  // namespace

TEST_CASE("events of 3 MB that compress well are parked beside others, and their letters are read and redriven whole") {
  constexpr int count = 10;
  Broker broker;
  Failing failing{broker, 1};
  std::vector<kafka::Record> large;
  large.reserve(count);
  for (int i = 0; i < count; ++i) large.push_back(large_event(failing.topic, "large-" + std::to_string(i)));
  REQUIRE(publish_large(broker, large));
  REQUIRE(publish(broker, numbered_events(failing.topic, 2, 5)));
  REQUIRE(failing.await_letters(count + 10));  // all of them published: the outbox is empty
  CHECK(failing.database.number("SELECT count(*) FROM pipeline.parked_records WHERE length(value) = 3 << 20") == count);

  kafka::PartitionReader reader{broker.client};
  std::vector<DeadLetter> letters;
  reader.read({failing.letters(), 0}, 0, count + 10, [&](rd_kafka_message_t const& message) {
    if (auto letter = read_dead_letter(message); letter.truncated > 0) letters.push_back(std::move(letter));
    return true;
  });
  REQUIRE(letters.size() == count);
  CHECK(letters[0].truncated > 3 << 20);
  CHECK(letters[0].event.has_value());  // the headers are there
  CHECK_FALSE(letters[0].original.value);

  failing.fixed = true;
  kafka::Producer wide{broker.client, sending_large()};
  auto const report = failing.redrive({}, &wide);
  CHECK(report.acted == count + 10);
  CHECK(report.refused == 0);
  CHECK(failing.database.number("SELECT count(*) FROM pipeline.parked_records") == 0);
  REQUIRE(failing.database.await_effects(count + 10));
  auto const records = read_all(broker, failing.topic, 2 * (count + 10));
  auto const whole = std::ranges::count_if(records, [&](auto const& record) {
    return record.value == large[0].value && !header_of(record, "omnibus-redrive").empty();
  });
  CHECK(whole == count);
}

TEST_CASE("a truncated letter whose record is gone says so, and is not taken") {
  Broker broker;
  Failing failing{broker, 1};
  REQUIRE(publish_large(broker, {large_event(failing.topic, "large")}));
  REQUIRE(failing.await_letters(1));
  failing.database.execute("DELETE FROM pipeline.parked_records");
  auto const report = failing.redrive();
  CHECK(report.refused == 1);
  CHECK(failing.told.at("0/0").find("pipeline.parked_records") != std::string::npos);
  CHECK(failing.database.number("SELECT count(*) FROM pipeline.dead_letter_actions") == 0);
}

TEST_CASE("a redriven letter that the broker refuses is left as a refused row, listed and redriven from there") {
  Broker broker;
  Failing failing{broker, 1};
  REQUIRE(publish_large(broker, {large_event(failing.topic, "large")}));
  REQUIRE(publish(broker, {event(failing.topic, "small", 1)}));
  REQUIRE(failing.await_letters(2));
  failing.fixed = true;
  kafka::Producer narrow{broker.client};  // takes 2 MiB
  auto const report = failing.redrive({}, &narrow);
  CHECK(report.acted == 1);
  CHECK(report.refused == 1);
  CHECK(std::ranges::any_of(failing.told, [](auto const& each) {  // either letter may be the first
    return each.second.find("omnibus dlq redrive --refused --row") != std::string::npos;
  }));

  pqxx::connection connection{failing.database.url_as("operator")};
  auto const rows = cli::refused_rows(connection, {.topic = failing.topic}, true);
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].bytes == 3 << 20);
  CHECK(rows[0].attempts == 1);
  CHECK(rows[0].record.value == large_event("", "").value);
  CHECK(cli::refused_rows(connection, {.topic = "another"}, false).empty());

  std::vector<std::int64_t> told;
  auto const tell = [&](std::int64_t row, std::string_view) { told.push_back(row); };
  CHECK(cli::redrive_refused(connection, narrow, {}, tell).refused == 1);
  CHECK(told == std::vector<std::int64_t>{rows[0].row});
  CHECK(cli::refused_rows(connection, {}, false).at(0).attempts == 2);
  kafka::Producer producer{broker.client, sending_large()};
  CHECK(cli::redrive_refused(connection, producer, {.row = rows[0].row}, tell).acted == 1);
  CHECK(failing.database.outbox() == 0);
  CHECK(failing.database.await_effects(2));
}
