#include "workers/gateway/publisher.hpp"

#include "observability/log.hpp"
#include "workers/gateway/door/refusal.hpp"

#include <exception>
#include <optional>
#include <stdexcept>
#include <utility>

namespace omnibus::gateway {
namespace {

kafka::TopicSpec const& topic_of(kafka::TopicCatalog const& topics, std::string const& type) {
  auto const* const topic = topics.topic_of(type);
  if (topic == nullptr) throw std::logic_error("no topic carries " + type);
  return *topic;
}

Refusal refusal_of(kafka::Error const& error, kafka::TopicSpec const& topic, std::string_view event_id) {
  if (error.code() == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) return Refusal::too_large(topic.max_message_bytes());
  log::warn("an event could not be published",
            {{"event_id", event_id}, {"topic", topic.name}, {"reason", error.what()}});
  return Refusal::unavailable("The event was not acknowledged; send it again with the same id or Idempotency-Key");
}

}  // namespace

Task<> Publisher::publish(Envelope envelope, std::string data, std::string key) {
  Event event{std::move(envelope), std::move(data), std::move(key)};
  auto const& topic = topic_of(topics_, event.envelope.type);
  auto sealing = seal(event);
  co_await std::move(sealing);
  auto record = to_binary_record(event.envelope, event.data, topic.name, std::move(event.key));
  try {
    auto sending = producer_.send(std::move(record));
    co_await std::move(sending);
  } catch (kafka::Error const& error) {
    throw refusal_of(error, topic, event.envelope.id);
  }
}

Task<> Publisher::publish_all(std::vector<Event> events) {
  if (events.empty()) co_return;
  std::vector<kafka::Record> records;
  for (auto& event : events) {
    auto const& topic = topic_of(topics_, event.envelope.type);
    auto sealing = seal(event);
    co_await std::move(sealing);
    records.push_back(to_binary_record(event.envelope, event.data, topic.name, std::move(event.key)));
  }
  try {
    auto sending = producer_.send_all(records);
    co_await std::move(sending);
  } catch (kafka::Error const& error) {
    auto const& first = events.front().envelope;
    throw refusal_of(error, topic_of(topics_, first.type), first.id);
  }
}

Task<> Publisher::seal(Event& event) {
  if (sealer_.is_idle()) co_return;
  try {
    auto const plan = sealer_.plan(event.envelope.type, event.data, event.key, event.domain);
    if (!plan) co_return;
    auto cipher = sealer_.at_hand(*plan);
    if (!cipher) {
      auto taking = pool_.run([&](pqxx::connection& connection) { return sealer_.take(*plan, connection); });
      cipher = co_await std::move(taking);
    }
    sealing::Sealer::seal(*plan, *cipher, event.envelope, event.data);
  } catch (std::exception const& error) {
    log::warn("an event could not be sealed", {{"event_id", event.envelope.id}, {"reason", error.what()}});
    throw Refusal::unavailable("The event could not be sealed; send it again with the same id or Idempotency-Key");
  }
}

}  // namespace omnibus::gateway
