/// One record from its arrival to its commit.
#pragma once

#include "engine/dispatch/offset_frontier.hpp"
#include "engine/dispatch/received_record.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace omnibus::engine {

using Clock = std::chrono::steady_clock;

struct Partition;

/// Where a delivery's record is.
enum class Residence : std::uint8_t {
  loaded,    ///< in memory
  unloaded,  ///< only on its topic
  wanted,    ///< as before, and to be read next
  loading,   ///< being read
  gone       ///< on its topic no more
};

/// The place of a record that is a row of `pipeline.deferred_records`.
struct DeferredRow {
  std::int64_t offset = 0;
  std::int64_t timestamp_ms = 0;
};

/// A record from its arrival until it is finished or given back. Deliveries live in a DeliveryPool and are linked into
/// the queue of their key. Use them on the event loop only.
struct Delivery {
  ReceivedRecord record;
  Partition* partition = nullptr;
  Delivery* next = nullptr;          ///< the next one in the queue of the same key
  Delivery* queued_next = nullptr;   ///< the next one in a DeliveryList
  std::unique_ptr<DeferredRow> row;  ///< it was read from there, and is not in the frontier; null for others
  std::uint64_t key_hash = 0;
  std::uint64_t tenant = 0;               ///< 0 for none
  OffsetFrontier::Sequence sequence = 0;  ///< in the frontier
  std::int64_t epoch = 0;                 ///< the partition's epoch when this attempt began
  std::uint32_t attempts = 0;             ///< failed attempts, without outages and deferrals
  std::uint32_t deferrals = 0;            ///< deferrals in a row
  std::uint32_t outages = 0;              ///< attempts in a row that met an outage
  std::uint32_t working_bytes = 0;        ///< what its handler holds for it beside the record
  Clock::time_point last_outage;          ///< of these
  Clock::time_point arrived;              ///< in this process
  Clock::time_point first_failed;         ///< time of the first failed attempt; undefined before
  std::uint32_t bytes = 0;                ///< what its record takes in memory
  std::uint32_t route = 0;                ///< what its work goes through, such as a channel; 0 for none
  Residence residence = Residence::loaded;
  bool stalled = false;      ///< the first of its key, and waits for its record
  bool waiting = false;      ///< waits for its retry time
  bool aside = false;        ///< runs, and holds no place in flight
  bool resolved = false;     ///< its inbox row is committed: it must not be handled again
  bool not_handled = false;  ///< in a replay: skipped or failed
  bool unfiltered = false;   ///< the filter for erased people is not asked; admission is

  std::string_view key() const { return record.key(); }
  bool has_key() const { return record.key().data() != nullptr; }
  std::string_view value() const { return record.value(); }
  bool has_value() const { return record.value().data() != nullptr; }
  std::int64_t offset() const { return record.offset(); }
  /// Of its tenant and its route.
  std::uint64_t account() const { return tenant ^ (route * 0x9e3779b97f4a7c15U); }
};

/// What a message with its delivery takes beside its record. librdkafka 2.14 allocates about 384 bytes for a message
/// with headers.
inline constexpr std::size_t message_bytes = sizeof(Delivery) + 384;

/// What a message on its way counts against the byte limit. Its headers do not count yet: to read them costs more than
/// the rest of the way.
inline std::size_t held_bytes(rd_kafka_message_t const& message) {
  return message.key_len + message.len + message_bytes;
}

/// What a record's key, value and headers take.
inline std::size_t record_bytes(rd_kafka_message_t const& message) {
  auto bytes = message.key_len + message.len;
  for_each_header(message, [&](std::string_view name, std::optional<std::string_view> value) {
    bytes += name.size() + (value ? value->size() : 0);
  });
  return bytes;
}

/// Reuses deliveries: an event costs no allocation once the pool has reached the number in flight.
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
