/// Publishing to Kafka.
#pragma once

#include "concurrency/task.hpp"
#include "kafka/client_settings.hpp"
#include "kafka/record.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include <boost/describe/class.hpp>

namespace omnibus::kafka {

/// A producer's trade between latency, batch size and how long it tries.
struct ProducerSettings {
  std::chrono::milliseconds linger{2};
  std::chrono::milliseconds message_timeout{30'000};
  ByteSize max_message = 2_MiB;
  std::int32_t queued_records = 100'000;
  ByteSize queued_bytes = 256_MiB;
  std::string compression = "lz4";

  static constexpr std::array docs{
      config::Doc{"linger", "How long a record waits for company before its batch is sent", 0, 1},
      config::Doc{"message_timeout", "From publishing to giving up, all retries included", 0.1, 3600},
      config::Doc{"max_message", "The largest record accepted; each topic's own limit holds as well", 1024, 1 << 30},
      config::Doc{"queued_records", "Records not yet acknowledged before publishing is refused for now", 1, 10'000'000},
      config::Doc{"queued_bytes", "Likewise in bytes", 1 << 20, 2e12},
      config::Doc{"compression", "none, lz4, zstd, gzip or snappy"},
  };
};
BOOST_DESCRIBE_STRUCT(ProducerSettings, (),
                      (linger, message_timeout, max_message, queued_records, queued_bytes, compression))

/// How the delivery of one record ended. `error` is null when every in-sync replica has it; it lives as long as the
/// call.
struct Acknowledgement {
  Error const* error = nullptr;
  std::int32_t partition = -1;
  std::int64_t offset = -1;
};

/// An idempotent producer (acks=all, keys placed as Java clients place them). Any thread may call it. Callbacks run on
/// its one poll thread, in the order of delivery, and must neither block nor throw. After a fatal error it renews its
/// connection by itself; what was in flight then fails.
class Producer {
 public:
  using Callback = std::function<void(Acknowledgement const&)>;

  /// Connects in the background: a cluster that is away shows as failing deliveries, not here.
  /// @throws Error when an option is refused.
  explicit Producer(ClientSettings const& settings, ProducerSettings const& producer_settings = {});

  /// Flushes up to a second, then fails what is left; every accepted record's callback has run when this returns.
  ~Producer();
  Producer(Producer const&) = delete;
  Producer& operator=(Producer const&) = delete;

  /// Hands the record over; copies what it needs before it returns. `callback` (may be empty) runs exactly once, unless
  /// this throws, and then never.
  /// @throws Error: retriable when the queue is full (back-pressure: wait for deliveries), permanent when the record
  /// can never be sent, e.g. is too large.
  void produce(Record const& record, Callback callback);

  /// How often it has been renewed. What failed with a connection has been reported before the next one counts.
  std::uint64_t generation() const;
  /// Likewise, but only over that connection, for whom order is dear: what failed with it goes first on the next.
  /// @throws Error as produce does, and a retriable one once `generation` is over.
  void produce(Record const& record, Callback callback, std::uint64_t generation);

  /// Hands the record over and resumes on the caller's executor once it is acknowledged. The event loop must outlive
  /// this producer.
  /// @throws Error as produce does, and when the delivery failed.
  Task<> send(Record record);

  /// Hands the records over in their order and resumes once each is acknowledged or has failed. The records must
  /// outlive the coroutine.
  /// @throws Error the first failure; the other records may be there.
  Task<> send_all(std::span<Record const> records);

  /// Waits until everything handed over has been delivered or has failed. Blocks; not for the event loop.
  /// @return false when `timeout` came first.
  bool flush(std::chrono::milliseconds timeout);

  /// How many records are handed over and not yet delivered or failed.
  std::size_t in_flight() const;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace omnibus::kafka
