#include "kafka/producer.hpp"
#include "tests/common/kafka/test_cluster.hpp"

#include <atomic>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <doctest/doctest.h>

namespace {

using namespace omnibus;
using namespace std::chrono_literals;
using kafka::Acknowledgement;
using kafka::Producer;
using kafka::ProducerSettings;
using test::TestCluster;

constexpr std::int16_t produce_api = 0;
constexpr std::int16_t init_producer_id_api = 22;

/// Publishes one record and waits for its fate; the code of the error, or none.
rd_kafka_resp_err_t publish(Producer& producer, Record const& record) {
  std::promise<rd_kafka_resp_err_t> done;
  producer.produce(record, [&done](Acknowledgement const& delivery) {
    done.set_value(delivery.error != nullptr ? delivery.error->code() : RD_KAFKA_RESP_ERR_NO_ERROR);
  });
  return done.get_future().get();
}

/// An event loop outlives the producers that resume on it: their thread may still be handing work over when it is done.
boost::asio::io_context& event_loop() {
  static boost::asio::io_context loop;
  loop.restart();
  return loop;
}

/// Runs `send` on an event loop of this thread; whatever it threw is thrown here.
void send(Producer& producer, Record const& record) {
  auto& loop = event_loop();
  std::exception_ptr failure;
  boost::asio::co_spawn(loop, producer.send(record), [&failure](std::exception_ptr error) { failure = error; });
  loop.run();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

TEST_CASE("a record arrives with key, value and headers byte for byte, absent and empty told apart") {
  auto& cluster = TestCluster::instance();
  auto const topic = cluster.topic(1);
  Producer producer(cluster.settings());
  std::string const binary("\0\xff\n\x80", 4);
  std::vector<Record> const records{
      {topic, binary, binary, {{"twice", "1"}, {"twice", binary}, {"absent", std::nullopt}, {"empty", ""}}, {}},
      {topic, "", "", {}, {}},
      {topic, "tombstone", std::nullopt, {}, {}},
      {topic, std::nullopt, std::string(900'000, 'x'), {}, {}},
  };
  for (auto const& record : records) send(producer, record);
  auto const stored = cluster.read(topic, 1, records.size());
  REQUIRE(stored.size() == records.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    CHECK(stored[i].key == records[i].key);
    CHECK(stored[i].value == records[i].value);
    CHECK(stored[i].headers == records[i].headers);
    CHECK(stored[i].offset == static_cast<std::int64_t>(i));
  }
}

TEST_CASE("a topic takes a record of as many bytes as its limit, and none of one more") {
  auto& cluster = TestCluster::instance();
  constexpr std::size_t limit = 3'000;
  auto const topic = cluster.topic(1, {{"max.message.bytes", std::to_string(limit)}});
  auto settings = ProducerSettings{};
  settings.compression = "none";
  Producer producer(cluster.settings(), settings);
  for (auto const& small :
       std::vector<Record>{{topic, std::nullopt, "", {}, {}},
                           {topic, "key", "", {{"name", "value"}, {"absent", std::nullopt}}, {}},
                           {topic, "key", "", std::vector<Header>(100, {"h", std::string(10, 'x')}), {}}}) {
    auto record = small;
    while (kafka::batch_bytes(record) < limit) *record.value += 'x';
    REQUIRE(kafka::batch_bytes(record) == limit);
    CHECK(publish(producer, record) == RD_KAFKA_RESP_ERR_NO_ERROR);
    *record.value += 'x';
    // The embedded broker has no limit.
    CHECK(publish(producer, record) ==
          (cluster.embedded() ? RD_KAFKA_RESP_ERR_NO_ERROR : RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE));
  }
}

TEST_CASE("a key goes where Kafka's own Java client would put it") {
  // Kafka's test vectors of murmur2 (UtilsTest).
  std::map<std::string, std::int32_t> const hashes{{"21", -973932308},
                                                   {"foobar", -790332482},
                                                   {"a-little-bit-long-string", -985981536},
                                                   {"a-little-bit-longer-string", -1486304829},
                                                   {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
                                                   {"abc", 479470107}};
  auto& cluster = TestCluster::instance();
  auto const topic = cluster.topic(12);
  Producer producer(cluster.settings());
  for (auto const& [key, _] : hashes) send(producer, {topic, key, "v", {}, {}});
  auto const stored = cluster.read(topic, 12, hashes.size());
  REQUIRE(stored.size() == hashes.size());
  for (auto const& record : stored) {
    CAPTURE(*record.key);
    CHECK(record.partition == (hashes.at(*record.key) & 0x7fffffff) % 12);
  }
}

TEST_CASE("a record goes to the partition it names") {
  auto& cluster = TestCluster::instance();
  auto const topic = cluster.topic(4);
  Producer producer(cluster.settings());
  send(producer, {topic, "abc", "v", {}, 2});
  auto const stored = cluster.read(topic, 4, 1);
  REQUIRE(stored.size() == 1);
  CHECK(stored[0].partition == 2);
}

TEST_CASE("ten thousand records keep the order of their key and each is acknowledged once, in order") {
  auto& cluster = TestCluster::instance();
  auto const topic = cluster.topic(3);
  Producer producer(cluster.settings());
  constexpr int count = 10'000;
  constexpr int keys = 7;
  std::vector<std::vector<int>> acknowledged(keys);  // written by the poll thread alone
  for (int i = 0; i < count; ++i) {
    producer.produce({topic, "key" + std::to_string(i % keys), std::to_string(i), {}, {}},
                     [&acknowledged, i](Acknowledgement const& delivery) {
                       if (delivery.error == nullptr) acknowledged[static_cast<std::size_t>(i % keys)].push_back(i);
                     });
  }
  REQUIRE(producer.flush(30s));
  CHECK(producer.in_flight() == 0);
  std::size_t total = 0;
  for (auto const& one : acknowledged) {
    CHECK(std::is_sorted(one.begin(), one.end()));
    total += one.size();
  }
  CHECK(total == count);
  std::map<std::string, int> last;
  auto const stored = cluster.read(topic, 3, count);
  REQUIRE(stored.size() == count);
  for (auto const& record : stored) {
    auto const [at, first] = last.try_emplace(*record.key, -1);
    auto const number = std::stoi(*record.value);
    REQUIRE(number > at->second);
    at->second = number;
  }
}

TEST_CASE("send resumes on the executor it was awaited on") {
  auto& cluster = TestCluster::instance();
  Producer producer(cluster.settings());
  auto const topic = cluster.topic(1);
  auto& loop = event_loop();
  std::thread::id resumed;
  auto const work = [&]() -> Task<> {
    auto sending = producer.send({topic, "k", "v", {}, {}});
    co_await std::move(sending);
    resumed = std::this_thread::get_id();
  };
  boost::asio::co_spawn(loop, work(), [](std::exception_ptr failure) { CHECK_FALSE(failure); });
  loop.run();
  CHECK(resumed == std::this_thread::get_id());
}

TEST_CASE("several records sent at once are all there, in their order, when it resumes") {
  auto& cluster = TestCluster::instance();
  ProducerSettings settings;
  settings.max_message = 100_KiB;
  Producer producer(cluster.settings(), settings);
  auto const topic = cluster.topic(1);
  auto const send_all = [&](std::vector<Record> const& records) {
    std::exception_ptr failure;
    auto& loop = event_loop();
    boost::asio::co_spawn(loop, producer.send_all(records), [&failure](std::exception_ptr error) { failure = error; });
    loop.run();
    if (failure) std::rethrow_exception(failure);
  };
  std::vector<Record> records;
  for (int i = 0; i < 100; ++i) records.push_back({topic, "k", std::to_string(i), {}, {}});
  send_all(records);
  send_all({});

  // One that can never be sent: what is behind it does not overtake it.
  CHECK_THROWS_AS(send_all({{topic, "k", "100", {}, {}},
                            {topic, "k", std::string(200 << 10, 'x'), {}, {}},
                            {topic, "k", "102", {}, {}}}),
                  kafka::Error);
  send_all({{topic, "k", "last", {}, {}}});
  auto const stored = cluster.read(topic, 1, 102);
  REQUIRE(stored.size() == 102);
  for (std::size_t i = 0; i <= 100; ++i) CHECK(stored[i].value == std::to_string(i));
  CHECK(stored[101].value == "last");
}

TEST_CASE("a record that can never be sent is refused for good") {
  auto& cluster = TestCluster::instance();
  ProducerSettings settings;
  settings.max_message = 100_KiB;
  Producer producer(cluster.settings(), settings);
  auto const topic = cluster.topic(1);
  try {
    send(producer, {topic, "k", std::string(200 << 10, 'x'), {}, {}});
    FAIL("accepted");
  } catch (kafka::Error const& error) {
    CHECK(error.code() == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    CHECK_FALSE(error.retriable());
  }
  CHECK(producer.in_flight() == 0);
}

TEST_CASE("a full queue is back-pressure: retriable, and what was accepted is still delivered") {
  auto& cluster = TestCluster::instance();
  ProducerSettings settings;
  settings.queued_records = 10;
  settings.linger = 200ms;
  auto const topic = cluster.topic(1);
  std::atomic<int> delivered = 0;
  int accepted = 0;
  bool refused = false;
  {
    Producer producer(cluster.settings(), settings);
    for (int i = 0; i < 1000 && !refused; ++i) {
      try {
        producer.produce({topic, "k", "v", {}, {}}, [&delivered](Acknowledgement const& delivery) {
          if (delivery.error == nullptr) ++delivered;
        });
        ++accepted;
      } catch (kafka::Error const& error) {
        CHECK(error.code() == RD_KAFKA_RESP_ERR__QUEUE_FULL);
        CHECK(error.retriable());
        refused = true;
      }
    }
    CHECK(producer.flush(10s));
  }
  CHECK(refused);
  CHECK(accepted == 10);
  CHECK(delivered == accepted);
}

TEST_CASE("a broker that is away fails a delivery within the message timeout, and later ones succeed when it is back") {
  kafka::EmbeddedBroker broker(kafka::TopicCatalog::built_in());
  kafka::ClientSettings client;
  client.brokers = broker.bootstrap();
  ProducerSettings settings;
  settings.message_timeout = 2s;  // the first record also waits for the connection
  Producer producer(client, settings);
  Record const record{"chat.messages", "k", "v", {}, {}};
  REQUIRE(publish(producer, record) == RD_KAFKA_RESP_ERR_NO_ERROR);

  broker.set_down(1);
  auto const begun = std::chrono::steady_clock::now();
  CHECK_THROWS_AS(send(producer, record), kafka::Error);
  CHECK(std::chrono::steady_clock::now() - begun < 10s);

  broker.set_up(1);
  rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__MSG_TIMED_OUT;
  for (int attempt = 0; attempt < 20 && code != RD_KAFKA_RESP_ERR_NO_ERROR; ++attempt) code = publish(producer, record);
  CHECK(code == RD_KAFKA_RESP_ERR_NO_ERROR);
}

TEST_CASE("a producer destroyed with the broker away has told every callback") {
  kafka::EmbeddedBroker broker(kafka::TopicCatalog::built_in());
  kafka::ClientSettings client;
  client.brokers = broker.bootstrap();
  broker.set_down(1);
  std::atomic<int> failed = 0;
  {
    Producer producer(client);
    for (int i = 0; i < 100; ++i)
      producer.produce({"chat.messages", "k", "v", {}, {}}, [&failed](Acknowledgement const& delivery) {
        if (delivery.error != nullptr && delivery.error->retriable()) ++failed;
      });
  }
  CHECK(failed == 100);
}

TEST_CASE("a refused record tells its reason and the producer goes on") {
  kafka::EmbeddedBroker broker(kafka::TopicCatalog::built_in());
  kafka::ClientSettings client;
  client.brokers = broker.bootstrap();
  Producer producer(client);
  Record const record{"chat.messages", "k", "v", {}, {}};
  broker.fail_next(produce_api, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
  CHECK(publish(producer, record) == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
  CHECK(publish(producer, record) == RD_KAFKA_RESP_ERR_NO_ERROR);
}

TEST_CASE("what a fatal error took along has failed before anything new is taken") {
  kafka::EmbeddedBroker broker(kafka::TopicCatalog::built_in());
  kafka::ClientSettings client;
  client.brokers = broker.bootstrap();
  broker.fail_next(init_producer_id_api, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED);
  Producer producer(client);
  std::atomic<int> failed = 0;
  auto refused = false;
  for (int accepted = 0;;) {
    auto const failed_before = failed.load();
    try {
      producer.produce({"chat.messages", "k", "v", {}, {}}, [&failed](Acknowledgement const& delivery) {
        if (delivery.error != nullptr) ++failed;
      });
      ++accepted;
      if (!refused) continue;
      CHECK(failed_before == accepted - 1);
      break;
    } catch (kafka::Error const& error) {
      refused = refused || error.code() == RD_KAFKA_RESP_ERR__FATAL;
      std::this_thread::sleep_for(1ms);  // or the lock that a renewal waits for is never free
    }
  }
}

TEST_CASE("a record that is handed over while a fatal error comes fails with the others") {
  kafka::EmbeddedBroker broker(kafka::TopicCatalog::built_in());
  kafka::ClientSettings client;
  client.brokers = broker.bootstrap();
  broker.fail_next(init_producer_id_api, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED);
  Producer producer(client);
  std::atomic<int> accepted = 0;
  std::atomic<int> failed = 0;
  std::vector<std::thread> owners;
  for (int i = 0; i < 4; ++i)
    owners.emplace_back([&] {
      for (auto refused = false; !refused;) {
        try {
          producer.produce({"chat.messages", "k", "v", {}, {}}, [&failed](Acknowledgement const& delivery) {
            if (delivery.error != nullptr) ++failed;
          });
          ++accepted;
        } catch (kafka::Error const& error) {
          refused = error.code() == RD_KAFKA_RESP_ERR__FATAL;
        }
      }
    });
  for (auto& owner : owners) owner.join();
  CHECK(producer.flush(5s));
  CHECK(failed == accepted);
}

TEST_CASE("a fatal error ends a connection, not the producer") {
  kafka::EmbeddedBroker broker(kafka::TopicCatalog::built_in());
  kafka::ClientSettings client;
  client.brokers = broker.bootstrap();
  broker.fail_next(init_producer_id_api, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED);
  Producer producer(client);
  Record const record{"chat.messages", "k", "v", {}, {}};
  bool failed = false;
  bool done = false;
  // As fast as it can, so that some are refused between the error and the renewal.
  for (auto const deadline = std::chrono::steady_clock::now() + 10s; !done;) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    try {
      send(producer, record);
      done = true;
    } catch (kafka::Error const& error) {
      if (!error.retriable()) FAIL(std::string(error.what()));
      failed = true;
    }
  }
  CHECK(failed);
}

TEST_CASE("a record that was to go with an earlier connection is refused for now") {
  kafka::EmbeddedBroker broker(kafka::TopicCatalog::built_in());
  kafka::ClientSettings client;
  client.brokers = broker.bootstrap();
  broker.fail_next(init_producer_id_api, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED);
  Producer producer(client);
  for (auto const deadline = std::chrono::steady_clock::now() + 10s; producer.generation() == 0;) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(1ms);
  }
  Record const record{"chat.messages", "k", "v", {}, {}};
  auto delivered = 0;
  try {
    producer.produce(
        record, [&](Acknowledgement const&) { ++delivered; }, 0);
    FAIL("taken");
  } catch (kafka::Error const& error) {
    CHECK(error.retriable());
  }
  producer.produce(
      record, [&](Acknowledgement const&) { ++delivered; }, producer.generation());
  CHECK(producer.flush(10s));
  CHECK(delivered == 1);
}
