#include "workers/gateway/publisher.hpp"

#include "observability/log.hpp"
#include "workers/gateway/refusal.hpp"

#include <optional>
#include <stdexcept>
#include <utility>

namespace omnibus::gateway {

Task<> Publisher::publish(Envelope envelope, std::string data, std::string key) {
  auto const* const topic = topics_.topic_of(envelope.type);
  if (topic == nullptr) throw std::logic_error("no topic carries " + envelope.type);
  auto record = to_binary_record(envelope, data, topic->name, std::move(key));
  try {
    auto sending = producer_.send(std::move(record));
    co_await std::move(sending);
  } catch (kafka::Error const& error) {
    if (error.code() == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
      throw Refusal(413, "The event is too large",
                    "Its topic takes at most " + std::to_string(topic->max_message_bytes()) + " bytes");
    log::warn("an event could not be published",
              {{"event_id", envelope.id}, {"topic", topic->name}, {"reason", error.what()}});
    throw Refusal::unavailable("The event was not acknowledged; send it again with the same id or Idempotency-Key");
  }
}

}  // namespace omnibus::gateway
