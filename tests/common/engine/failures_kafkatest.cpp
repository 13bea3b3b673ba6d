// Events that fail: retries, dead letters, outages and deferrals.
#include "events/chat.hpp"
#include "handler/failure.hpp"
#include "tests/common/engine/engine_fixture.hpp"
#include "tests/common/engine/topic_reader.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::engine;
using namespace omnibus::engine::test;

TEST_CASE("a failing event is tried again while other keys go on, and its key stays in order") {
  Broker broker;
  auto const topic = broker.topic(3);
  REQUIRE(publish(broker, numbered_events(topic, 20, 20)));
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
                                           {topic, "", "", {{"empty", ""}, {"absent", std::nullopt}}, {}},
                                           {topic, std::nullopt, " ", {{"", "nameless"}}, {}},
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

TEST_CASE("a record without a value is passed over and counted, and the next of its key is handled") {
  Broker broker;
  auto const topic = broker.topic(1);
  auto tombstone = event(topic, "key", 0);
  tombstone.value.reset();
  auto const group = "tombstones-" + topic;
  REQUIRE(publish(broker, {tombstone, {topic, "key", std::nullopt, {}, {}}, event(topic, "key", 1)}));
  Journal journal;
  auto const handle = [&](Context& context) -> Task<> {
    journal.add(std::string{context.key()}, std::string{context.data()});
    co_return;
  };
  {
    RunningEngine engine{broker, topic, group, handle};
    REQUIRE(journal.wait_for_count(1));
    engine.stop();
    CHECK(engine.counters().tombstones == 2);
    CHECK(engine.counters().dead_lettered == 0);
  }
  REQUIRE(publish(broker, {event(topic, "key", 2)}));
  RunningEngine engine{broker, topic, group, handle};
  REQUIRE(journal.wait_for_count(2));
  CHECK(journal.by_key().at("key") == std::vector<std::string>{"1", "2"});
}

TEST_CASE("an outage pauses everything, counts no attempt and loses nothing") {
  Broker broker;
  auto const topic = broker.topic(3);
  REQUIRE(publish(broker, numbered_events(topic, 30, 10)));
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
  REQUIRE(publish(broker, numbered_events(topic, 30, 10)));
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

TEST_CASE("an event is tried again by the time its handler names, in order of its key, and others do not wait") {
  std::optional<std::chrono::milliseconds> const asked = std::chrono::minutes{5};
  auto const kinds = {&Failure::deferred, &Failure::transient};
  for (auto const fail : kinds) {
    Broker broker;
    auto const topic = broker.topic(1);
    REQUIRE(publish(broker, numbered_events(topic, 60, 3)));
    constexpr std::chrono::milliseconds due{700};
    Journal journal;
    std::atomic<std::int64_t> latest{0};
    std::atomic<int> behind{0};  // attempts that failed of events that had waited for others of their key
    EngineSettings settings;
    settings.max_in_flight = 2;
    settings.recoverability.first_deferral = settings.recoverability.longest_delay = std::chrono::minutes{5};
    RunningEngine engine{broker, topic, "due-" + topic,
                         [&](Context& context) -> Task<> {
                           auto const waited = context.waiting_for();
                           if (context.key() != "key-0" && waited < due) {
                             if (context.data() != "0") ++behind;
                             throw fail("away", asked, due - waited);
                           }
                           latest = std::max(latest.load(), waited.count());
                           journal.add(std::string{context.key()}, std::string{context.data()});
                           co_return;
                         },
                         settings};
    REQUIRE(journal.wait_for_count(3));
    CHECK(journal.by_key()["key-0"] == numbers(3));
    REQUIRE(journal.wait_for_count(180, std::chrono::seconds{20}));
    engine.stop();
    CHECK(latest <= (due + std::chrono::seconds{5}).count());  // on a busy machine; a back-off would be five minutes
    CHECK(behind == 0);
    CHECK(engine.counters().outages == 0);
    for (auto const& [key, handled] : journal.by_key()) CHECK(handled == numbers(3));
  }
}

TEST_CASE("work that never waits keeps the order of each key, also around events that fail and are tried again") {
  Broker broker;
  auto const topic = broker.topic(4);
  REQUIRE(publish(broker, numbered_events(topic, 20, 100)));
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
  for (auto const& each : journal.by_key()) {
    CAPTURE(each.first);
    CHECK(each.second == numbers(100));
  }
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
  REQUIRE(publish(broker, numbered_events(topic, 20, 5)));
  hold = false;
  CHECK(journal.wait_for_count(100, std::chrono::seconds{20}));
  CHECK(engine.counters().retried > 2'048);
  engine.stop();
}

TEST_CASE("parts of streams that a broker does not take are dropped, and leave room for what must be published") {
  Broker broker;
  if (broker.embedded() == nullptr) return;
  auto const topic = broker.topic(1);
  std::atomic<bool> told{false};
  RunningEngine engine{broker, topic, "parts-" + topic, [&](Context& context) -> Task<> {
                         broker.embedded()->set_down(1);
                         ChatReplyDelta const part{random_uuid(), "x", 0, "word"};
                         for (int i = 0; i < 12'000; ++i) context.publish_now(part, "key", "delta", i);
                         told = true;
                         co_return;
                       }};
  REQUIRE(publish(broker, {event(topic, "key", 0)}));
  REQUIRE(eventually([&] { return told.load(); }));
  CHECK(engine.unacknowledged() > 5'000);
  CHECK(engine.unacknowledged() <= 10'000);
  broker.embedded()->set_up(1);
  CHECK(eventually([&] { return engine.unacknowledged() == 0; }));
}
