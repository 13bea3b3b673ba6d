/// The cluster that broker tests run on: the one OMNIBUS_TEST_KAFKA names, else an embedded broker of the test's own.
#pragma once

#include "kafka/admin.hpp"
#include "kafka/client_settings.hpp"
#include "kafka/embedded_broker.hpp"
#include "kafka/record.hpp"

#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <librdkafka/rdkafka.h>
#include <unistd.h>

namespace omnibus::test {

/// One record as a plain consumer sees it.
struct StoredRecord {
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<Header> headers;
  std::int32_t partition = -1;
  std::int64_t offset = -1;
};

class TestCluster {
 public:
  /// The one of this process.
  static TestCluster& instance() {
    static TestCluster cluster;
    return cluster;
  }

  kafka::ClientSettings settings() const {
    kafka::ClientSettings settings;
    settings.brokers = brokers_;
    return settings;
  }
  bool embedded() const { return embedded_ != nullptr; }

  /// A name no other test uses, in this or another run on the same cluster.
  std::string unique(std::string const& prefix) {
    return prefix + "-" + std::to_string(getpid()) + "-" + std::to_string(++count_);
  }

  /// A new empty topic.
  std::string topic(int partitions, std::map<std::string, std::string> const& configs = {}) {
    auto name = unique("test");
    if (embedded_) {
      embedded_->create_topic(name, partitions);
    } else {
      kafka::Admin(settings()).create_topic(name, partitions, 1, configs);
    }
    return name;
  }

  /// Reads a topic from its beginning until `count` records are there.
  std::vector<StoredRecord> read(std::string const& topic, int partitions, std::size_t count) const {
    auto configuration = kafka::make_configuration(settings());
    kafka::set_option(configuration.get(), "group.id", "reader");
    kafka::set_option(configuration.get(), "fetch.wait.max.ms", "10");
    kafka::set_option(configuration.get(), "check.crcs", "true");
    auto const client = kafka::make_client(RD_KAFKA_CONSUMER, std::move(configuration));
    rd_kafka_poll_set_consumer(client.get());
    auto* list = rd_kafka_topic_partition_list_new(partitions);
    for (int partition = 0; partition < partitions; ++partition)
      rd_kafka_topic_partition_list_add(list, topic.c_str(), partition)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(client.get(), list);
    rd_kafka_topic_partition_list_destroy(list);

    std::vector<StoredRecord> records;
    for (int waits = 0; records.size() < count && waits < 200;) {
      auto* message = rd_kafka_consumer_poll(client.get(), 100);
      if (message == nullptr) {
        ++waits;
        continue;
      }
      if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) records.push_back(stored(*message));
      rd_kafka_message_destroy(message);
    }
    rd_kafka_consumer_close(client.get());
    return records;
  }

 private:
  TestCluster() {
    if (auto const* told = std::getenv("OMNIBUS_TEST_KAFKA"); told != nullptr && *told != '\0') {
      brokers_ = told;
      return;
    }
    embedded_ = std::make_unique<kafka::EmbeddedBroker>(kafka::TopicCatalog::built_in());
    brokers_ = embedded_->bootstrap();
  }

  static std::optional<std::string> bytes(void const* data, std::size_t size) {
    if (data == nullptr) return std::nullopt;
    return std::string(static_cast<char const*>(data), size);
  }

  static StoredRecord stored(rd_kafka_message_t const& message) {
    StoredRecord record{bytes(message.key, message.key_len),
                        bytes(message.payload, message.len),
                        {},
                        message.partition,
                        message.offset};
    rd_kafka_headers_t* headers = nullptr;
    if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return record;
    char const* name = nullptr;
    void const* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         ++i)
      record.headers.push_back({name, bytes(value, size)});
    return record;
  }

  std::unique_ptr<kafka::EmbeddedBroker> embedded_;
  std::string brokers_;
  int count_ = 0;
};

}  // namespace omnibus::test
