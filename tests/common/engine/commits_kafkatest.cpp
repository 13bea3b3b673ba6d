// What is committed, and what becomes of a commit that the broker refuses.
#include "tests/common/engine/engine_fixture.hpp"

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::engine;
using namespace omnibus::engine::test;

namespace {

kafka::Record event_in(std::string const& topic, std::int32_t partition, int number) {
  auto record = event(topic, "key-" + std::to_string(partition), number);
  record.partition = partition;
  return record;
}

/// A member of a group that handles nothing, for the only partition of its topic.
class Bystander : public kafka::ConsumerListener {
 public:
  Bystander(Broker& broker, std::string const& topic, std::string const& group)
      : consumer_{broker.client, member_of(broker, topic, group), *this} {}

  /// Where it would begin to read.
  kafka::Position beginning() {
    REQUIRE(eventually([&] { return has(beginning_); }));
    return *beginning_;
  }
  void commit(kafka::Position const& position) {
    consumer_.commit({position});
    REQUIRE(eventually([&] { return has(answer_); }));
    REQUIRE(answer_->error == RD_KAFKA_RESP_ERR_NO_ERROR);
  }

 private:
  static kafka::ConsumerSettings member_of(Broker& broker, std::string const& topic, std::string const& group) {
    kafka::ConsumerSettings settings;
    settings.group = group;
    settings.topics = {topic};
    settings.protocol = broker.protocol();
    return settings;
  }
  bool has(std::optional<kafka::Position> const& position) {
    std::vector<kafka::Message> none(1);
    consumer_.poll(none, false);
    return position.has_value();
  }

  void on_assigned(std::vector<kafka::Position> partitions) override {
    if (!partitions.empty()) beginning_ = std::move(partitions.front());
  }
  void on_revoked(std::vector<kafka::TopicPartition> partitions) override { consumer_.release(partitions); }
  void on_lost(std::vector<kafka::TopicPartition>) override {}
  void on_committed(rd_kafka_resp_err_t, std::vector<kafka::Position> positions) override {
    if (!positions.empty()) answer_ = std::move(positions.front());
  }
  void on_error(kafka::Error const&) override {}

  std::optional<kafka::Position> beginning_;
  std::optional<kafka::Position> answer_;
  kafka::Consumer consumer_;
};

/// The group removes its only member, which learns it from a heartbeat. After failed ones librdkafka waits longer
/// before the next, and begins to wait anew with each commit that is refused: here all of them.
void remove_member(kafka::EmbeddedBroker& broker) {
  constexpr std::int16_t offset_commit = 8;
  constexpr std::int16_t heartbeat = 68;
  broker.fail_next(heartbeat, RD_KAFKA_RESP_ERR_NOT_COORDINATOR, 11);
  broker.fail_next(heartbeat, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
  broker.fail_next(offset_commit, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, 100'000);
}

}  // namespace

TEST_CASE("of a commit that is refused in part, the other position is committed, and the refused one is sent again") {
  Broker broker;
  if (broker.embedded() == nullptr) return;  // which refuses a position with the leader epoch of an earlier leader
  auto const topic = broker.topic(2);
  auto const group = "refused-" + topic;
  std::atomic<int> begun{0};
  std::atomic<int> released{0};
  EngineSettings settings;
  settings.commit_interval = std::chrono::milliseconds{100};
  RunningEngine engine{broker, topic, group,
                       [&](Context& context) -> Task<> {
                         ++begun;
                         while (std::stoi(std::string{context.data()}) >= released) {
                           auto waiting = pause(std::chrono::milliseconds{1});
                           co_await std::move(waiting);
                         }
                       },
                       settings};
  REQUIRE(publish(broker, {event_in(topic, 0, 0), event_in(topic, 1, 0)}));
  REQUIRE(eventually([&] { return begun == 2; }));
  broker.embedded()->elect_leader(topic, 1);
  released = 1;
  CHECK(eventually([&] { return engine.counters().commits > 0; }));
  CHECK(committed(broker, group, topic, 0) == 1);
  CHECK(committed(broker, group, topic, 1) == -1);

  // A record of the new leader, which does not end: the position is the same, and its leader epoch is not refused.
  auto const commits = engine.counters().commits.load();
  REQUIRE(publish(broker, {event_in(topic, 1, 1)}));
  REQUIRE(eventually([&] { return begun == 3; }));
  CHECK(eventually([&] { return committed(broker, group, topic, 1) == 1; }));
  CHECK(eventually([&] { return engine.counters().commits > commits; }));
  released = 2;
  engine.stop();
  CHECK(committed(broker, group, topic, 0) == 1);
  CHECK(committed(broker, group, topic, 1) == 2);
}

TEST_CASE("a member whose commits are refused learns that the group has removed it, and comes back") {
  Broker broker;
  if (broker.embedded() == nullptr || broker.protocol() != kafka::GroupProtocol::consumer) return;
  auto const topic = broker.topic(1);
  EngineSettings settings;
  settings.commit_interval = std::chrono::milliseconds{10};
  settings.drain_deadline = std::chrono::milliseconds{10};
  RunningEngine engine{broker, topic, "removed-" + topic, [](Context&) -> Task<> { co_return; }, settings};
  REQUIRE(publish(broker, {event(topic, "key", 0)}));
  REQUIRE(eventually([&] { return engine.counters().commits > 0; }));

  auto const rebalances = engine.counters().rebalances.load();
  remove_member(*broker.embedded());
  REQUIRE(publish(broker, {event(topic, "key", 1)}));
  CHECK(eventually([&] { return engine.counters().rebalances >= rebalances + 2; }));  // lost, and assigned again
  engine.stop();
}

TEST_CASE("so does one that commits because much has ended behind a record that does not end") {
  Broker broker;
  if (broker.embedded() == nullptr || broker.protocol() != kafka::GroupProtocol::consumer) return;
  auto const topic = broker.topic(1);
  EngineSettings settings;
  settings.commit_interval = std::chrono::hours{1};
  settings.drain_deadline = std::chrono::milliseconds{10};
  std::atomic<int> ended{0};
  auto const stick = [&](Context& context) -> Task<> {
    if (context.key() == "key-0") {
      auto waiting = pause(std::chrono::hours{1});
      co_await std::move(waiting);
    }
    ++ended;
  };
  RunningEngine engine{broker, topic, "removed-ahead-" + topic, stick, settings};
  REQUIRE(publish(broker, {event(topic, "key-0", 0)}));
  REQUIRE(publish(broker, {event(topic, "key-1", 0)}, 600));
  REQUIRE(eventually([&] { return ended == 600; }));
  auto const rebalances = engine.counters().rebalances.load();
  remove_member(*broker.embedded());
  kafka::Producer producer{broker.client};
  CHECK(eventually([&] {  // with one record after the other that would have all be committed
    producer.produce(event(topic, "key-1", 1), {});
    return engine.counters().rebalances >= rebalances + 2;
  }));
  engine.stop();
}

TEST_CASE("a commit that is refused for another reason is not sent again at once") {
  Broker broker;
  if (broker.embedded() == nullptr) return;
  auto const topic = broker.topic(1);
  EngineSettings settings;
  settings.commit_interval = std::chrono::hours{1};
  settings.drain_deadline = std::chrono::milliseconds{10};
  std::atomic<int> ended{0};
  auto const stick = [&](Context& context) -> Task<> {
    if (context.key() == "key-0") {
      auto waiting = pause(std::chrono::hours{1});
      co_await std::move(waiting);
    }
    ++ended;
  };
  RunningEngine engine{broker, topic, "refused-ahead-" + topic, stick, settings};
  REQUIRE(publish(broker, {event(topic, "key-0", 0)}));
  constexpr std::int16_t offset_commit = 8;
  constexpr auto refusals = 5;
  broker.embedded()->fail_next(offset_commit, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, refusals);
  auto const begun = Clock::now();
  kafka::Producer producer{broker.client};
  CHECK(eventually([&] {  // with one record after the other that would have all be committed
    for (int i = 0; i < 10; ++i) producer.produce(event(topic, "key-1", i), {});
    return engine.counters().commits > 0;
  }));
  CHECK(Clock::now() - begun > refusals * std::chrono::milliseconds{150});
  engine.stop();
}

TEST_CASE("a stop is not clean while something runs for a partition that the group has taken away") {
  Broker broker;
  if (broker.embedded() == nullptr || broker.protocol() != kafka::GroupProtocol::consumer) return;
  auto const topic = broker.topic(1);
  EngineSettings settings;
  settings.drain_deadline = std::chrono::milliseconds{10};
  std::atomic<bool> begun{false};
  auto const stick = [&](Context&) -> Task<> {
    begun = true;
    auto waiting = pause(std::chrono::hours{1});
    co_await std::move(waiting);
  };
  RunningEngine engine{broker, topic, "taken-" + topic, stick, settings};
  REQUIRE(publish(broker, {event(topic, "key", 0)}));
  REQUIRE(eventually([&] { return begun.load(); }));
  auto const rebalances = engine.counters().rebalances.load();
  constexpr std::int16_t heartbeat = 68;
  broker.embedded()->fail_next(heartbeat, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
  REQUIRE(eventually([&] { return engine.counters().rebalances > rebalances; }));
  CHECK_FALSE(engine.stop());
}

TEST_CASE("a position is committed with the leader epoch that it was assigned with, if none of its records is later") {
  Broker broker;
  if (broker.embedded() == nullptr) return;  // which assigns positions with the leader epoch of now
  auto const topic = broker.topic(1);
  auto const group = "assigned-" + topic;
  REQUIRE(publish(broker, {event(topic, "key", 0)}));
  broker.embedded()->elect_leader(topic, 0);
  EngineSettings settings;
  settings.commit_interval = std::chrono::milliseconds{10};
  RunningEngine engine{broker, topic, group, [](Context&) -> Task<> { co_return; }, settings};
  CHECK(eventually([&] { return committed(broker, group, topic) == 1; }));
  engine.stop();
}

TEST_CASE("what was done in an earlier leader epoch is handled, and told to the next owner with that of its records") {
  Broker broker;
  if (broker.embedded() == nullptr) return;  // it elects a leader when it is asked to
  auto const topic = broker.topic(1);
  auto const group = "epochs-" + topic;
  broker.embedded()->elect_leader(topic, 0);
  REQUIRE(publish(broker, numbered_events(topic, 4, 1)));
  {
    // As before the log was cut off: behind the first record other records than these were done.
    Bystander earlier{broker, topic, group};
    earlier.beginning();
    earlier.commit({{topic, 0}, 0, "done:0/1+3", 1});
  }
  Journal journal;
  auto const stick = [&](Context& context) -> Task<> {
    if (context.key() == "key-0") {
      auto waiting = pause(std::chrono::hours{1});
      co_await std::move(waiting);
    }
    journal.add(std::string{context.key()}, std::string{context.data()});
  };
  EngineSettings settings;
  settings.drain_deadline = std::chrono::milliseconds{10};
  {
    RunningEngine engine{broker, topic, group, stick, settings};
    REQUIRE(journal.wait_for_count(3));
    engine.stop();
  }
  Bystander next{broker, topic, group};
  CHECK(next.beginning().metadata == "done:1/1+3");
}
