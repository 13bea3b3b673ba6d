/// One record on its way through a worker.
#pragma once

#include "engine/offset_frontier.hpp"
#include "kafka/consumer.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace omnibus::engine {

using Clock = std::chrono::steady_clock;

struct Partition;

/// A record from its arrival until it is finished or given back. Deliveries live in a DeliveryPool and are linked into
/// the queue of their key; they belong to the event loop.
struct Delivery {
  kafka::Message message;
  Partition* partition = nullptr;
  Delivery* next = nullptr;  ///< behind it in the queue of the same key
  std::uint64_t key_hash = 0;
  OffsetFrontier::Sequence sequence = 0;
  std::int64_t epoch = 0;          ///< the partition's when this attempt began
  std::uint32_t attempts = 0;      ///< how often it was tried and failed, outages not counted
  Clock::time_point first_failed;  ///< of the first failed attempt; meaningless before
  bool waiting = false;            ///< for its retry time
  bool resolved = false;           ///< its inbox row is committed: nothing may be done for it again
  bool not_handled = false;        ///< in a replay: passed over or failed

  std::string_view key() const { return {static_cast<char const*>(message->key), message->key_len}; }
  bool has_key() const { return message->key != nullptr; }
  std::string_view value() const { return {static_cast<char const*>(message->payload), message->len}; }
  bool has_value() const { return message->payload != nullptr; }
  std::int64_t offset() const { return message->offset; }
};

/// What a record counts for against the byte limit: what librdkafka and we keep beside its key and value included.
inline std::size_t held_bytes(rd_kafka_message_t const& message) {
  constexpr std::size_t librdkafka_op = 384;  // of 2.14: about what it allocates for a message, headers aside
  return message.len + message.key_len + sizeof(Delivery) + librdkafka_op;
}

/// Re-uses deliveries, so that an event costs no allocation once the pool has grown to what is in flight.
class DeliveryPool {
 public:
  Delivery& take() {
    if (free_.empty()) {
      blocks_.push_back(std::make_unique<Delivery[]>(block));
      for (std::size_t i = 0; i < block; ++i) free_.push_back(&blocks_.back()[i]);
    }
    auto* const delivery = free_.back();
    free_.pop_back();
    return *delivery;
  }
  void give_back(Delivery& delivery) {
    delivery = Delivery{};
    free_.push_back(&delivery);
  }

 private:
  static constexpr std::size_t block = 256;
  std::vector<std::unique_ptr<Delivery[]>> blocks_;
  std::vector<Delivery*> free_;
};

}  // namespace omnibus::engine
