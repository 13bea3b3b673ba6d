/// Publishing to Kafka.
#pragma once

#include "concurrency/task.hpp"
#include "kafka/client_settings.hpp"
#include "kafka/record.hpp"
#include "kafka/topics.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include <boost/describe/class.hpp>

namespace omnibus::kafka {

/// A producer's latency, batch size and delivery timeout.
struct ProducerSettings {
  std::chrono::milliseconds linger{2};
  std::chrono::milliseconds message_timeout{30'000};
  ByteSize max_message = 2_MiB;
  std::int32_t queued_records = 100'000;
  ByteSize queued_bytes = 256_MiB;
  std::string compression = "lz4";

  static constexpr std::array docs{
      config::Doc{"linger", "How long a record waits for others to share its batch", 0, 1},
      config::Doc{"message_timeout", "Time from publishing to giving up, all retries included", 0.1, 3600},
      config::Doc{"max_message", "The largest record accepted; each topic's own limit applies, too", 1024, 1 << 30},
      config::Doc{"queued_records", "Unacknowledged records at which publishing is rejected for now", 1, 10'000'000},
      config::Doc{"queued_bytes", "The same limit in bytes", 1 << 20, 2e12},
      config::Doc{"compression", "none, lz4, zstd, gzip or snappy; for topics without a compression.type of their own"},
  };
};
BOOST_DESCRIBE_STRUCT(ProducerSettings, (),
                      (linger, message_timeout, max_message, queued_records, queued_bytes, compression))

/// The delivery result of one record. `error` is null when every in-sync replica has it; it is valid during the
/// call.
struct Acknowledgement {
  Error const* error = nullptr;
  std::int32_t partition = -1;
  std::int64_t offset = -1;
};

/// An idempotent producer (acks=all, keys placed as by Java clients). It writes a topic in the codec that the topic's
/// `compression.type` names, so that the broker need not compress again. Any thread may call it. Callbacks run on
/// its poll thread, in the order of delivery, and must neither block nor throw. After a fatal error it renews its
/// connection; records in flight then fail.
class Producer {
 public:
  using Callback = std::function<void(Acknowledgement const&)>;

  /// Connects in the background: an unavailable cluster causes failed deliveries, not an exception here. `catalog` must
  /// outlive this producer.
  /// @throws Error when an option is refused.
  explicit Producer(ClientSettings const& settings, ProducerSettings const& producer_settings = {},
                    TopicCatalog const& catalog = TopicCatalog::built_in());

  /// Flushes up to a second, then fails the rest; every accepted record's callback has run when this returns.
  ~Producer();
  Producer(Producer const&) = delete;
  Producer& operator=(Producer const&) = delete;

  /// Passes the record on; copies what it needs before it returns. `callback` (may be empty) runs exactly once, or
  /// never if this throws.
  /// @throws Error: retriable when the queue is full (back-pressure: wait for deliveries), permanent when the record
  /// can never be sent, e.g. is too large. OutgoingRefused in a replay.
  void produce(Record const& record, Callback callback);

  /// How often the connection was renewed. Failures of a connection are reported before the next one counts.
  std::uint64_t generation() const;
  /// Likewise, but only over that connection, for callers that need order: failed records go first on the next one.
  /// @throws Error as produce does, and a retriable one once `generation` has ended.
  void produce(Record const& record, Callback callback, std::uint64_t generation);

  /// Publishes the record and resumes on the caller's executor once it is acknowledged. The event loop must outlive
  /// this producer.
  /// @throws Error as produce does, and when the delivery failed.
  Task<> send(Record record);

  /// Publishes the records in their order and resumes once each is acknowledged or has failed. The records must
  /// outlive the coroutine.
  /// @throws Error the first failure; the other records may have been written.
  Task<> send_all(std::span<Record const> records);

  /// Waits until every record has been delivered or has failed. Blocks; not for the event loop.
  /// @return false when `timeout` came first.
  bool flush(std::chrono::milliseconds timeout);

  /// Records not yet delivered or failed.
  std::size_t in_flight() const;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace omnibus::kafka
