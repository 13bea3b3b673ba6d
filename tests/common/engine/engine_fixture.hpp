/// A broker and an engine to watch. On the embedded broker, or on the one of OMNIBUS_TEST_KAFKA.
#pragma once

#include "engine/engine.hpp"
#include "kafka/admin.hpp"
#include "kafka/embedded_broker.hpp"
#include "kafka/producer.hpp"
#include "kafka/topics.hpp"
#include "uuid/uuid.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace omnibus::engine::test {

class Broker {
 public:
  explicit Broker(kafka::EmbeddedBrokerSettings const& settings = {}) {
    if (auto const* const given = std::getenv("OMNIBUS_TEST_KAFKA")) {
      client.brokers = given;
    } else {
      embedded_ = std::make_unique<kafka::EmbeddedBroker>(kafka::TopicCatalog::built_in(), settings);
      client.brokers = embedded_->bootstrap();
    }
  }

  /// A new topic, with its dead-letter topic.
  std::string topic(int partitions) {
    auto name = "test." + to_string(random_uuid());
    for (auto const& each : {name, kafka::dead_letter_topic(name)}) {
      if (embedded_)
        embedded_->create_topic(each, partitions);
      else
        kafka::Admin{client}.create_topic(each, partitions, 1, {});
    }
    return name;
  }

  /// What the broker can do, or the older protocol where OMNIBUS_TEST_PROTOCOL=classic asks for it.
  kafka::GroupProtocol protocol() const {
    if (auto const* const given = std::getenv("OMNIBUS_TEST_PROTOCOL");
        given != nullptr && given == std::string{"classic"})
      return kafka::GroupProtocol::classic;
    return kafka::probe_cluster(client, std::chrono::seconds{10}).group_protocol();
  }

  /// Null on a broker of OMNIBUS_TEST_KAFKA.
  kafka::EmbeddedBroker* embedded() const { return embedded_.get(); }

  kafka::ClientSettings client;

 private:
  std::unique_ptr<kafka::EmbeddedBroker> embedded_;
};

/// Whether `condition` has become true within a minute: for what has no event to wait for, such as a counter.
inline bool eventually(std::function<bool()> const& condition) {
  auto const deadline = std::chrono::steady_clock::now() + std::chrono::minutes{1};
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
  return true;
}

/// What was handled, by whom it was asked to be.
class Journal {
 public:
  void add(std::string const& key, std::string const& value) {
    {
      std::scoped_lock const lock{mutex_};
      by_key_[key].push_back(value);
      ++count_;
    }
    changed_.notify_all();
  }
  bool wait_for_count(std::size_t count, std::chrono::seconds limit = std::chrono::seconds{60}) {
    std::unique_lock lock{mutex_};
    return changed_.wait_for(lock, limit, [&] { return count_ >= count; });
  }
  std::map<std::string, std::vector<std::string>> by_key() {
    std::scoped_lock const lock{mutex_};
    return by_key_;
  }
  std::size_t count() {
    std::scoped_lock const lock{mutex_};
    return count_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::vector<std::string>> by_key_;
  std::size_t count_ = 0;
};

using Handle = std::function<Task<>(Context&)>;

struct FunctionWork : Work {
  explicit FunctionWork(Handle given) : handle_{std::move(given)} {}
  Task<> handle(Context& context) override { return handle_(context); }

 private:
  Handle handle_;
};

/// Work whose events take the routes that their data name as their channels.
struct RoutedWork : FunctionWork {
  using FunctionWork::FunctionWork;
  std::string_view route_member() const override { return "channels"; }
};

/// Work that never waits.
struct ImmediateWork : Work {
  explicit ImmediateWork(std::function<void(Context&)> given) : handle_{std::move(given)} {}
  bool never_waits() const override { return true; }
  void handle_now(Context& context) override { handle_(context); }
  Task<> handle(Context& context) override {
    handle_(context);
    co_return;
  }

 private:
  std::function<void(Context&)> handle_;
};

/// One engine on a thread of its own.
class RunningEngine {
 public:
  RunningEngine(Broker& broker, std::string const& topic, std::string const& group, Handle handle,
                EngineSettings settings = {})
      : RunningEngine{broker, topic, group, std::make_unique<FunctionWork>(std::move(handle)), settings} {}
  RunningEngine(Broker& broker, std::string const& topic, std::string const& group, std::unique_ptr<Work> work,
                EngineSettings settings = {})
      : work_{std::move(work)}, producer_{broker.client} {
    kafka::ConsumerSettings consumer;
    consumer.group = group;
    consumer.topics = {topic};
    consumer.protocol = broker.protocol();
    consumer.session_timeout = std::chrono::seconds{6};
    engine_ = std::make_unique<Engine>(loop_, Identity{"test", group, "test", {}}, settings, broker.client, consumer,
                                       Ports{producer_, nullptr, {}}, *work_);
    engine_->start();
    thread_ = std::thread{[this] { loop_.run(); }};
  }
  ~RunningEngine() { stop(); }

  /// @return whether all events had ended; also if it was stopped already
  bool stop() {
    if (!thread_.joinable()) return true;
    auto all_ended = false;
    boost::asio::post(loop_, [&] {
      boost::asio::co_spawn(loop_, engine_->stop(), [&](std::exception_ptr const&, bool clean) {
        all_ended = clean;
        loop_.stop();
      });
    });
    thread_.join();
    return all_ended;
  }

  /// Stands still in the middle of everything, without a word to Kafka about what is done.
  void crash() {
    loop_.stop();
    thread_.join();
  }

  boost::asio::io_context& loop() { return loop_; }
  Counters const& counters() const { return engine_->counters(); }
  /// Records that the broker did not acknowledge yet.
  std::size_t unacknowledged() const { return producer_.in_flight(); }

 private:
  boost::asio::io_context loop_{1};
  std::unique_ptr<Work> work_;
  kafka::Producer producer_;
  std::unique_ptr<Engine> engine_;
  std::thread thread_;
};

/// A record in binary mode with the sequence number as its data.
inline kafka::Record event(std::string const& topic, std::string const& key, int number) {
  auto const envelope = originate("/test", "omnibus.test.v1");
  return to_binary_record(envelope, std::to_string(number), topic, key);
}

/// `per_key` events of each key, numbered from `first`, interleaved.
inline std::vector<kafka::Record> numbered_events(std::string const& topic, int keys, int per_key, int first = 0) {
  std::vector<kafka::Record> records;
  for (int number = first; number < first + per_key; ++number)
    for (int key = 0; key < keys; ++key) records.push_back(event(topic, "key-" + std::to_string(key), number));
  return records;
}

/// Text that does not compress.
inline std::string noise(std::size_t size) {
  static std::mt19937_64 random{1};
  std::string text(size, ' ');
  for (auto& each : text) each = static_cast<char>('#' + random() % 57);
  return text;
}

/// Publishes each record so many times, and waits for the broker to have them.
inline bool publish(Broker& broker, std::vector<kafka::Record> const& records, int times = 1) {
  kafka::Producer producer{broker.client};
  for (auto const& record : records)
    for (int i = 0; i < times; ++i) producer.produce(record, {});
  return producer.flush(std::chrono::seconds{30});
}

/// The group's position in a partition; -1 without one.
inline std::int64_t committed(Broker& broker, std::string const& group, std::string const& topic,
                              std::size_t partition = 0) {
  return kafka::Admin{broker.client}.group_lag(group, {topic}).at(partition).committed;
}

/// The data of so many numbered events of one key.
inline std::vector<std::string> numbers(int count) {
  std::vector<std::string> expected;
  expected.reserve(static_cast<std::size_t>(count));
  for (int number = 0; number < count; ++number) expected.push_back(std::to_string(number));
  return expected;
}

/// Waits on the loop of the caller without blocking it.
inline Task<> pause(std::chrono::microseconds time) {
  auto const executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer timer{executor, time};
  auto wait = timer.async_wait(boost::asio::use_awaitable);
  co_await std::move(wait);
}

}  // namespace omnibus::engine::test
