/// Reads what a test has made others publish.
#pragma once

#include "engine/dispatch/record_headers.hpp"
#include "kafka/consumer.hpp"
#include "tests/common/engine/engine_fixture.hpp"

namespace omnibus::engine::test {

inline kafka::Record copy_of(rd_kafka_message_t const& message) {
  auto const bytes = [](void const* data, std::size_t size) {
    return data == nullptr ? std::nullopt : std::optional{std::string{static_cast<char const*>(data), size}};
  };
  kafka::Record record{rd_kafka_topic_name(message.rkt),
                       bytes(message.key, message.key_len),
                       bytes(message.payload, message.len),
                       {},
                       message.partition};
  for_each_header(message, [&](std::string_view name, std::optional<std::string_view> value) {
    record.headers.push_back({std::string{name}, value ? std::optional<std::string>{*value} : std::nullopt});
  });
  return record;
}

/// The records of a topic from its beginning, read by a group of their own, until `enough` says so or half a minute has
/// passed.
inline std::vector<kafka::Record> read_until(Broker& broker, std::string const& topic,
                                             std::function<bool(std::vector<kafka::Record> const&)> const& enough) {
  struct Quiet : kafka::ConsumerListener {
    void on_assigned(std::vector<kafka::Position>) override {}
    void on_revoked(std::vector<kafka::TopicPartition> partitions) override { consumer->release(partitions); }
    void on_lost(std::vector<kafka::TopicPartition>) override {}
    void on_committed(rd_kafka_resp_err_t, std::vector<kafka::Position>) override {}
    void on_error(kafka::Error const&) override {}
    kafka::Consumer* consumer = nullptr;
  } listener;
  kafka::ConsumerSettings settings;
  settings.group = "reader-" + to_string(random_uuid());
  settings.topics = {topic};
  settings.protocol = broker.protocol();
  kafka::Consumer consumer{broker.client, settings, listener};
  listener.consumer = &consumer;
  std::vector<kafka::Record> all;
  std::vector<kafka::Message> buffer(100);
  auto const deadline = Clock::now() + std::chrono::seconds{30};
  while (!enough(all) && Clock::now() < deadline) {
    auto const got = consumer.poll(buffer, true);
    for (std::size_t i = 0; i < got; ++i) all.push_back(copy_of(*std::exchange(buffer[i], nullptr)));
    if (got == 0) consumer.wait(std::chrono::milliseconds{50});
  }
  return all;
}

inline std::vector<kafka::Record> read_all(Broker& broker, std::string const& topic, std::size_t count) {
  return read_until(broker, topic, [count](auto const& records) { return records.size() >= count; });
}

/// The value of a header, or nothing.
inline std::string header_of(kafka::Record const& record, std::string_view name) {
  for (auto const& header : record.headers)
    if (header.name == name) return header.value.value_or("");
  return {};
}

}  // namespace omnibus::engine::test
