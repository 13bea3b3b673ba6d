#include "handler/failure.hpp"
#include "tests/common/engine/engine_fixture.hpp"
#include "tests/common/engine/topic_reader.hpp"

#include <atomic>
#include <random>
#include <set>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::engine;
using namespace omnibus::engine::test;

namespace {

/// Publishes `per_key` numbered events of each key, interleaved, and waits for the broker to have them.
void publish(Broker& broker, std::string const& topic, int keys, int per_key, int first = 0) {
  kafka::Producer producer{broker.client};
  for (int number = first; number < first + per_key; ++number)
    for (int key = 0; key < keys; ++key) producer.produce(event(topic, "key-" + std::to_string(key), number), {});
  REQUIRE(producer.flush(std::chrono::seconds{30}));
}

std::vector<std::string> numbers(int count) {
  std::vector<std::string> expected;
  for (int number = 0; number < count; ++number) expected.push_back(std::to_string(number));
  return expected;
}

}  // namespace

TEST_CASE("every record is handled once, those of one key in order, many keys at once") {
  Broker broker;
  auto const topic = broker.topic(6);
  publish(broker, topic, 50, 40);
  Journal journal;
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  std::mt19937 random{7};
  RunningEngine engine{broker, topic, "order-" + topic, [&](Context& context) -> Task<> {
                         most = std::max(most.load(), ++running);
                         auto waiting = pause(std::chrono::microseconds{random() % 2000});
                         co_await std::move(waiting);
                         --running;
                         journal.add(std::string{context.key()}, std::string{context.data()});
                       }};
  REQUIRE(journal.wait_for_count(2000));
  engine.stop();
  CHECK(journal.count() == 2000);
  for (auto const& [key, handled] : journal.by_key()) {
    CAPTURE(key);
    CHECK(handled == numbers(40));
  }
  CHECK(most > 10);
}

TEST_CASE("a clean stop under load redelivers nothing and loses nothing") {
  Broker broker;
  auto const topic = broker.topic(6);
  auto const group = "stop-" + topic;
  publish(broker, topic, 40, 50);
  Journal journal;
  auto const handle = [&](Context& context) -> Task<> {
    auto waiting = pause(std::chrono::milliseconds{2});
    co_await std::move(waiting);
    journal.add(std::string{context.key()}, std::string{context.data()});
  };
  EngineSettings settings;
  settings.max_in_flight = 16;
  for (auto const until : {300UL, 900UL}) {
    RunningEngine engine{broker, topic, group, handle, settings};
    REQUIRE(journal.wait_for_count(until));
    engine.stop();
    CHECK(journal.count() < 2000);
  }
  RunningEngine last{broker, topic, group, handle, settings};
  REQUIRE(journal.wait_for_count(2000));
  last.stop();
  CHECK(journal.count() == 2000);
  for (auto const& [key, handled] : journal.by_key()) {
    CAPTURE(key);
    CHECK(handled == numbers(50));
  }
}

TEST_CASE("a second member takes over partitions without loss, repetition or disorder") {
  Broker broker;
  auto const topic = broker.topic(8);
  auto const group = "members-" + topic;
  constexpr int keys = 64;
  constexpr int per_round = 5;
  Journal journal;
  auto const handle = [&](Context& context) -> Task<> {
    auto waiting = pause(std::chrono::milliseconds{3});
    co_await std::move(waiting);
    journal.add(std::string{context.key()}, std::string{context.data()});
  };
  EngineSettings settings;
  settings.max_in_flight = 8;
  RunningEngine first{broker, topic, group, handle, settings};
  publish(broker, topic, keys, per_round);
  REQUIRE(journal.wait_for_count(keys));
  RunningEngine second{broker, topic, group, handle, settings};
  // The load goes on until the second has its share, however long the group takes.
  auto rounds = 1;
  for (; second.counters().handled < keys && rounds < 300; ++rounds) {
    publish(broker, topic, keys, per_round, rounds * per_round);
    REQUIRE(journal.wait_for_count(static_cast<std::size_t>(keys * per_round * rounds)));
  }
  auto const total = static_cast<std::size_t>(keys * per_round * rounds);
  REQUIRE(journal.wait_for_count(total));
  CHECK(second.counters().handled >= keys);
  second.stop();
  first.stop();
  CHECK(journal.count() == total);
  for (auto const& [key, handled] : journal.by_key()) {
    CAPTURE(key);
    CHECK(handled == numbers(per_round * rounds));
  }
}

TEST_CASE("a member that gets a partition back reads on in it") {
  Broker broker;
  auto const topic = broker.topic(8);
  auto const group = "back-" + topic;
  constexpr int keys = 64;
  Journal journal;
  auto const handle = [&](Context& context) -> Task<> {
    journal.add(std::string{context.key()}, std::string{context.data()});
    co_return;
  };
  RunningEngine first{broker, topic, group, handle};
  publish(broker, topic, keys, 1);
  REQUIRE(journal.wait_for_count(keys));  // it has read in every partition
  auto rounds = 1;
  for (auto member = 0; member < 2; ++member) {
    RunningEngine second{broker, topic, group, handle};
    for (auto const until = rounds + 300; second.counters().handled == 0 && rounds < until; ++rounds) {
      publish(broker, topic, keys, 1, rounds);
      REQUIRE(journal.wait_for_count(static_cast<std::size_t>(keys * (rounds + 1))));
    }
    CHECK(second.counters().handled > 0);
    second.stop();
    publish(broker, topic, keys, 1, rounds++);
    REQUIRE(journal.wait_for_count(static_cast<std::size_t>(keys * rounds)));
  }
  first.stop();
  for (auto const& [key, handled] : journal.by_key()) {
    CAPTURE(key);
    CHECK(handled == numbers(rounds));
  }
}

TEST_CASE("a failing event is tried again while other keys go on, and its key stays in order") {
  Broker broker;
  auto const topic = broker.topic(3);
  publish(broker, topic, 20, 20);
  Journal journal;
  std::map<std::string, int> failures;
  EngineSettings settings;
  settings.recoverability.base_delay = std::chrono::milliseconds{20};
  RunningEngine engine{broker, topic, "retry-" + topic,
                       [&](Context& context) -> Task<> {
                         auto const key = std::string{context.key()};
                         if (key == "key-3" && context.data() == "5" && context.attempt() < 4)
                           throw Failure::transient("not yet");
                         journal.add(key, std::string{context.data()});
                         co_return;
                       },
                       settings};
  REQUIRE(journal.wait_for_count(400));
  engine.stop();
  CHECK(engine.counters().retried == 3);
  CHECK(engine.counters().dead_lettered == 0);
  for (auto const& [key, handled] : journal.by_key()) CHECK(handled == numbers(20));
}

TEST_CASE("a poison event goes to the dead-letter topic byte for byte and its key goes on") {
  Broker broker;
  auto const topic = broker.topic(1);
  std::string const binary{"\xff\x00{\"not\": \"an event\"", 19};
  kafka::Record poison{
      topic, "key-0", binary, {{"h", "1"}, {"h", std::nullopt}, {"bytes", std::string{"\0\xfe", 2}}}, {}};
  {
    kafka::Producer producer{broker.client};
    producer.produce(event(topic, "key-0", 0), {});
    producer.produce(poison, {});
    producer.produce(event(topic, "key-0", 1), {});
    REQUIRE(producer.flush(std::chrono::seconds{10}));
  }
  Journal journal;
  RunningEngine engine{broker, topic, "poison-" + topic, [&](Context& context) -> Task<> {
                         journal.add(std::string{context.key()}, std::string{context.data()});
                         (void)context.event();
                         co_return;
                       }};
  REQUIRE(journal.wait_for_count(2));
  auto const parked = read_all(broker, kafka::dead_letter_topic(topic), 1);
  engine.stop();
  CHECK(journal.by_key()["key-0"] == numbers(2));
  REQUIRE(parked.size() == 1);
  auto const& letter = parked.front();
  CHECK(letter.key == "key-0");
  CHECK(letter.value == binary);
  auto const& headers = letter.headers;
  REQUIRE(headers.size() == poison.headers.size() + 11);
  CHECK(std::equal(poison.headers.begin(), poison.headers.end(), headers.begin()));
  std::map<std::string, std::string> reason;
  for (auto i = headers.begin() + 3; i != headers.end(); ++i) reason[i->name] = i->value.value_or("");
  CHECK(reason["error.class"] == "invalid_event");
  CHECK(reason["error.topic"] == topic);
  CHECK(reason["error.offset"] == "1");
  CHECK(reason["error.attempts"] == "1");
  CHECK(reason["error.worker"] == "test");
  CHECK(parse_uuid(reason["error.id"]).has_value());
}

TEST_CASE("what is absent of a record, and what is empty, is so in its dead letter") {
  Broker broker;
  auto const topic = broker.topic(1);
  std::vector<kafka::Record> const records{{topic, std::nullopt, "", {}, {}},
                                           {topic, "", std::nullopt, {{"empty", ""}, {"absent", std::nullopt}}, {}},
                                           {topic, std::nullopt, std::nullopt, {{"", "nameless"}}, {}},
                                           {topic, std::string(3'000, '\0'), std::string(200'000, '\xff'), {}, {}}};
  {
    kafka::Producer producer{broker.client};
    for (auto const& record : records) producer.produce(record, {});
    REQUIRE(producer.flush(std::chrono::seconds{10}));
  }
  RunningEngine engine{broker, topic, "absent-" + topic, [&](Context&) -> Task<> {
                         throw Failure::permanent("as it is");
                         co_return;
                       }};
  auto const parked = read_all(broker, kafka::dead_letter_topic(topic), 4);
  engine.stop();
  REQUIRE(parked.size() == records.size());
  for (auto const& letter : parked) {
    auto const offset = std::ranges::find(letter.headers, "error.offset", &Header::name);
    REQUIRE(offset != letter.headers.end());
    auto const& original = records.at(std::stoul(offset->value.value()));
    CHECK(letter.key == original.key);
    CHECK(letter.value == original.value);
    CHECK(std::equal(original.headers.begin(), original.headers.end(), letter.headers.begin()));
  }
}

TEST_CASE("an outage pauses everything, counts no attempt and loses nothing") {
  Broker broker;
  auto const topic = broker.topic(3);
  publish(broker, topic, 30, 10);
  Journal journal;
  std::atomic<bool> down{true};
  EngineSettings settings;
  settings.recoverability.max_attempts = 1;  // one counted attempt would dead-letter
  RunningEngine engine{broker, topic, "outage-" + topic,
                       [&](Context& context) -> Task<> {
                         if (down) throw Failure::outage("the other side is away");
                         journal.add(std::string{context.key()}, std::string{context.data()});
                         co_return;
                       },
                       settings};
  REQUIRE(eventually([&] { return engine.counters().outages >= 3; }));
  down = false;
  REQUIRE(journal.wait_for_count(300));
  engine.stop();
  CHECK(engine.counters().dead_lettered == 0);
  for (auto const& [key, handled] : journal.by_key()) CHECK(handled == numbers(10));
}

TEST_CASE("a deferred event holds up its own key only, counts no attempt and is not lost") {
  Broker broker;
  auto const topic = broker.topic(1);
  publish(broker, topic, 30, 10);
  Journal journal;
  std::atomic<bool> away{true};
  std::atomic<std::uint32_t> attempt{0};
  EngineSettings settings;
  settings.max_in_flight = 2;
  settings.recoverability.max_attempts = 1;  // one counted attempt would dead-letter
  settings.recoverability.longest_requested = std::chrono::milliseconds{1};
  RunningEngine engine{broker, topic, "deferred-" + topic,
                       [&](Context& context) -> Task<> {
                         auto const held =
                             context.key() == "key-0" || context.key() == "key-1" || context.key() == "key-2";
                         if (held && away) throw Failure::deferred("its provider is away");
                         if (held) attempt = std::max(attempt.load(), context.attempt());
                         journal.add(std::string{context.key()}, std::string{context.data()});
                         co_return;
                       },
                       settings};
  REQUIRE(journal.wait_for_count(270));
  REQUIRE(eventually([&] { return engine.counters().deferred >= 30; }));
  CHECK(journal.count() == 270);
  away = false;
  REQUIRE(journal.wait_for_count(300));
  engine.stop();
  CHECK(attempt == 1);
  CHECK(engine.counters().dead_lettered == 0);
  CHECK(engine.counters().retried == 0);
  for (auto const& [key, handled] : journal.by_key()) CHECK(handled == numbers(10));
}

TEST_CASE("no more than the byte limit is held in memory while handlers are slow") {
  Broker broker;
  auto const topic = broker.topic(2);
  publish(broker, topic, 400, 10);
  Journal journal;
  std::atomic<bool> hold{true};
  std::atomic<std::int64_t> most{0};
  EngineSettings settings;
  settings.max_in_flight = 4;
  settings.max_queued_bytes = 64 << 10;
  settings.commit_interval = std::chrono::milliseconds{10};
  RunningEngine engine{broker, topic, "bytes-" + topic,
                       [&](Context& context) -> Task<> {
                         while (hold) {
                           auto waiting = pause(std::chrono::milliseconds{1});
                           co_await std::move(waiting);
                         }
                         most = std::max(most.load(), engine.counters().queued_bytes.load());
                         journal.add(std::string{context.key()}, std::string{context.data()});
                       },
                       settings};
  REQUIRE(eventually([&] { return engine.counters().queued_bytes >= (64 << 10); }));
  hold = false;
  REQUIRE(journal.wait_for_count(4000));
  engine.stop();
  // One batch of the poll thread, and what came with the assignment, may lie above the limit.
  CHECK(most < (64 << 10) + 4096 * 800);
  CHECK(journal.count() == 4000);
}

TEST_CASE("work that never waits keeps the order of each key, also around events that fail and are tried again") {
  Broker broker;
  auto const topic = broker.topic(4);
  publish(broker, topic, 20, 100);
  Journal journal;
  std::map<std::string, int> failures;
  EngineSettings settings;
  settings.recoverability.base_delay = std::chrono::milliseconds{2};
  settings.recoverability.longest_delay = std::chrono::milliseconds{5};
  RunningEngine engine{broker, topic, "now-" + topic, std::make_unique<ImmediateWork>([&](Context& context) {
                         auto const key = std::string{context.key()};
                         auto const value = std::string{context.data()};
                         if (value.ends_with('7') && failures[key + value]++ < 3) throw Failure::transient("not yet");
                         journal.add(key, value);
                       }),
                       settings};
  REQUIRE(journal.wait_for_count(2000));
  engine.stop();
  CHECK(journal.count() == 2000);
  CHECK(engine.counters().retried > 0);
  CHECK(engine.counters().handled == 2000);
  for (auto const& [key, handled] : journal.by_key()) {
    CAPTURE(key);
    CHECK(handled == numbers(100));
  }
}

TEST_CASE("behind a record that does not end much is done, and after a crash little of it comes again") {
  Broker broker;
  auto const topic = broker.topic(1);
  auto const group = "ahead-" + topic;
  publish(broker, topic, 1, 1);  // of the key that gets stuck
  {
    kafka::Producer producer{broker.client};
    for (int number = 0; number < 6'000; ++number)
      producer.produce(event(topic, "other-" + std::to_string(number % 50), number), {});
    REQUIRE(producer.flush(std::chrono::seconds{30}));
  }
  Journal first;
  auto const stick = [&](Context& context) -> Task<> {
    if (context.key() == "key-0") {
      auto waiting = pause(std::chrono::hours{1});
      co_await std::move(waiting);
    }
    first.add(std::string{context.key()}, std::string{context.data()});
  };
  {
    RunningEngine engine{broker, topic, group, stick};
    REQUIRE(first.wait_for_count(6'000));
    // The first commit that is answered may have been sent before the last of them ended; the second was not.
    for (auto const count : {6'001UL, 6'002UL}) {
      auto const commits = engine.counters().commits.load();
      kafka::Producer producer{broker.client};
      producer.produce(event(topic, "other", static_cast<int>(count)), {});
      REQUIRE(first.wait_for_count(count));
      REQUIRE(eventually([&] { return engine.counters().commits != commits; }));
    }
    engine.crash();
  }
  Journal second;
  RunningEngine engine{broker, topic, group, [&](Context& context) -> Task<> {
                         second.add(std::string{context.key()}, std::string{context.data()});
                         co_return;
                       }};
  publish(broker, topic, 1, 1, 1);
  REQUIRE(eventually([&] { return second.by_key()["key-0"].size() >= 2; }));
  engine.stop();
  CHECK(second.by_key()["key-0"] == numbers(2));
  CHECK(second.count() <= 1'002);
}

TEST_CASE("what is ready is all put off by failures, and events behind it are fetched and handled") {
  Broker broker;
  auto const topic = broker.topic(1);
  auto const fail = [&](int first, int last) {
    kafka::Producer producer{broker.client};
    for (int number = first; number < last; ++number)
      producer.produce(event(topic, "bad-" + std::to_string(number), number), {});
    REQUIRE(producer.flush(std::chrono::seconds{30}));
  };
  fail(0, 10);
  Journal journal;
  std::atomic<bool> hold{true};
  EngineSettings settings;
  settings.max_in_flight = 4;
  settings.commit_interval = std::chrono::milliseconds{10};
  RunningEngine engine{broker, topic, "put-off-" + topic,
                       [&](Context& context) -> Task<> {
                         while (hold) {
                           auto waiting = pause(std::chrono::milliseconds{1});
                           co_await std::move(waiting);
                         }
                         if (context.key().starts_with("bad"))
                           throw Failure::transient("not for long", std::chrono::minutes{5});
                         journal.add(std::string{context.key()}, std::string{context.data()});
                       },
                       settings};
  REQUIRE(eventually([&] { return engine.counters().in_flight >= 4; }));
  fail(10, 3'000);
  REQUIRE(eventually([&] { return engine.counters().queued > 2'048; }));  // enough: no more are fetched
  publish(broker, topic, 20, 5);
  hold = false;
  CHECK(journal.wait_for_count(100, std::chrono::seconds{20}));
  CHECK(engine.counters().retried > 2'048);
  engine.stop();
}
