#include "engine/commit/event_maker.hpp"

#include "handler/failure.hpp"
#include "kafka/topics.hpp"

#include <cstdint>
#include <utility>

namespace omnibus::engine {

kafka::Record EventMaker::make(std::string_view type, std::string_view data, std::string key) {
  auto const* const topic = kafka::TopicCatalog::built_in().topic_of(type);
  if (topic == nullptr) throw Failure::permanent("no topic in topics.yaml carries " + std::string{type}, "no_topic");
  auto envelope = derive(parent_, worker_, ordinal_++, type);
  std::string sealed;
  if (seal_) {
    sealed = data;
    seal_(envelope, sealed, key);
    data = sealed;
  }
  auto record = to_binary_record(envelope, data, topic->name, std::move(key));
  if (static_cast<std::int64_t>(kafka::batch_bytes(record)) > topic->max_message_bytes())
    throw Failure::permanent("the event exceeds max.message.bytes of " + topic->name, "too_large");
  return record;
}

Uuid EventMaker::last_key() const {
  return event_key(derive(parent_, worker_, ordinal_ - 1, {}));
}

}  // namespace omnibus::engine
