/// A member of a consumer group that is drained in batches and never made to wait for work.
#pragma once

#include "kafka/client_settings.hpp"
#include "kafka/error.hpp"
#include "kafka/handles.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <librdkafka/rdkafka.h>

namespace omnibus::kafka {

struct TopicPartition {
  std::string topic;
  std::int32_t partition = 0;

  auto operator<=>(TopicPartition const&) const = default;
};

/// The next offset to read of a partition: everything before it is done.
struct Position {
  static constexpr std::int64_t none = RD_KAFKA_OFFSET_INVALID;

  TopicPartition where;
  std::int64_t offset = none;
  std::string metadata = {};  ///< a text that is kept with it, for whoever reads on from there
};

/// How one member joins and fetches.
struct ConsumerSettings {
  std::string group;
  std::vector<std::string> topics;
  GroupProtocol protocol = GroupProtocol::consumer;
  /// A static member's name; empty joins as a dynamic one. A static member that died keeps its partitions until the
  /// session runs out, and under KIP-848 its successor of the same name is refused until then.
  std::string instance_id;
  std::chrono::milliseconds session_timeout{10'000};  ///< classic protocol only: KIP-848 has it on the broker
  std::int64_t prefetch_bytes = 8 << 20;              ///< what librdkafka may hold ahead of us
  bool tell_ends = false;                             ///< ConsumerListener::on_end is called
};

struct MessageDeleter {
  void operator()(rd_kafka_message_t* message) const noexcept { rd_kafka_message_destroy(message); }
};
using Message = std::unique_ptr<rd_kafka_message_t, MessageDeleter>;

/// When a record was written, in ms since 1970; -1 when the broker does not say.
inline std::int64_t timestamp_ms(rd_kafka_message_t const& message) {
  rd_kafka_timestamp_type_t type{};
  return rd_kafka_message_timestamp(&message, &type);
}

/// What a consumer tells its owner, on the thread that calls Consumer::poll, or on that of the call that failed.
class ConsumerListener {
 public:
  virtual ~ConsumerListener() = default;
  /// New partitions, with what was committed for them, which is where reading begins.
  virtual void on_assigned(std::vector<Position> partitions) = 0;
  /// Partitions to give back: the member keeps them until Consumer::release is called for them.
  virtual void on_revoked(std::vector<TopicPartition> partitions) = 0;
  /// Partitions that already belong to somebody else: nothing can be committed any more.
  virtual void on_lost(std::vector<TopicPartition> partitions) = 0;
  /// The broker's answer to Consumer::commit.
  virtual void on_committed(rd_kafka_resp_err_t error, std::vector<Position> positions) = 0;
  /// Nothing is left to read of a partition, for now; this is where the next record will be. Needs `tell_ends`.
  virtual void on_end(Position /*position*/) {}
  virtual void on_error(Error const& error) = 0;
};

/// Owns the librdkafka consumer. poll() and wait() belong to one thread; every other function may be called from
/// any.
class Consumer {
 public:
  /// Connects lazily. `listener` must outlive the consumer.
  /// @throws Error naming the setting that librdkafka refused.
  Consumer(ClientSettings const& client, ConsumerSettings settings, ConsumerListener& listener);
  ~Consumer();
  Consumer(Consumer const&) = delete;
  Consumer& operator=(Consumer const&) = delete;

  /// Fills `out` with what has already arrived and returns how many; never waits. Without `want_messages` only group
  /// events are served and messages stay where they are, which is how back-pressure is applied without pausing a
  /// partition (a pause would throw the prefetched messages away).
  std::size_t poll(std::span<Message> out, bool want_messages);
  /// Waits until something arrives, wake() is called or `limit` passes.
  void wait(std::chrono::milliseconds limit);
  void wake();
  /// Fetches no more of this partition until resume(), even when it goes and comes back. Both belong to one thread.
  void pause(TopicPartition const& where);
  /// One that is not paused goes on undisturbed.
  void resume(TopicPartition const& where);

  /// Commits asynchronously; the answer comes to ConsumerListener::on_committed.
  void commit(std::vector<Position> const& positions);
  /// Ends the revocation of these partitions. What was committed before is sent before they are handed over.
  void release(std::vector<TopicPartition> const& partitions);
  /// Leaves the group; blocks until the broker knows. Call poll() no more after it.
  void close();

 private:
  static void on_rebalance(rd_kafka_t*, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* list, void* self);
  static void on_commit(rd_kafka_t*, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* list, void* self);
  std::size_t drain(rd_kafka_queue_t* queue, std::span<Message> out);
  void forward(TopicPartition const& where);

  ConsumerListener& listener_;
  Client client_;
  // Group events come by `events_`, messages by `messages_`, so that the one can be served while the other is left to
  // wait.
  QueueHandle events_;
  QueueHandle messages_;
  std::set<TopicPartition> paused_;
  std::vector<rd_kafka_message_t*> buffer_;
  bool closed_ = false;

  std::mutex mutex_;
  std::condition_variable arrived_;
  bool signalled_ = false;
};

}  // namespace omnibus::kafka
