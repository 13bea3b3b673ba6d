/// A member of a consumer group that returns messages in batches and never waits for work.
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

/// The next offset to read in a partition: everything before it is finished.
struct Position {
  static constexpr std::int64_t none = RD_KAFKA_OFFSET_INVALID;

  TopicPartition where;
  std::int64_t offset = none;
  std::string metadata = {};       ///< text stored with the commit, for the partition's next owner
  std::int32_t leader_epoch = -1;  ///< of the newest record that was read; -1 if unknown
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;  ///< of the commit; none, if it was done
};

/// How one member joins and fetches.
struct ConsumerSettings {
  std::string group;
  std::vector<std::string> topics;
  GroupProtocol protocol = GroupProtocol::consumer;
  /// A static member's name; empty joins as a dynamic one. A static member that crashed keeps its partitions until the
  /// session runs out; under KIP-848, a new member with its name is rejected until then.
  std::string instance_id;
  std::chrono::milliseconds session_timeout{10'000};  ///< classic protocol only: under KIP-848 the broker sets it
  std::int64_t prefetch_bytes = 8 << 20;              ///< what librdkafka may buffer ahead of us
  /// What one response of a broker may bring. It stays in memory as a whole as long as one of its records is used; and
  /// a broker is asked again only when its last response is there, so that small ones make a fast consumer wait.
  std::int64_t fetch_bytes = 16 << 20;
  bool tell_ends = false;  ///< call ConsumerListener::on_end
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

/// Events of a consumer, on the thread that calls Consumer::poll, or on that of the call that failed.
class ConsumerListener {
 public:
  virtual ~ConsumerListener() = default;
  /// New partitions, with their committed positions, where reading begins.
  virtual void on_assigned(std::vector<Position> partitions) = 0;
  /// Partitions to give back: the member keeps them until Consumer::release is called for them.
  virtual void on_revoked(std::vector<TopicPartition> partitions) = 0;
  /// Partitions that already belong to another member: nothing can be committed any more.
  virtual void on_lost(std::vector<TopicPartition> partitions) = 0;
  /// The answer to Consumer::commit, one for each call. Positions that the broker was asked to commit have their error;
  /// if one was refused, all of them may have. `error` is set if the broker was not asked.
  virtual void on_committed(rd_kafka_resp_err_t error, std::vector<Position> positions) = 0;
  /// The end of a partition, for now, with the offset of the next record. Needs `tell_ends`.
  virtual void on_end(Position /*position*/) {}
  virtual void on_error(Error const& error) = 0;
};

/// Owns the librdkafka consumer. Call poll() and wait() on one thread; every other function on
/// any.
class Consumer {
 public:
  /// Connects lazily. `listener` must outlive the consumer.
  /// @throws Error that names the setting that librdkafka rejected.
  Consumer(ClientSettings const& client, ConsumerSettings settings, ConsumerListener& listener);
  ~Consumer();
  Consumer(Consumer const&) = delete;
  Consumer& operator=(Consumer const&) = delete;

  /// Fills `out` with messages that have already arrived and returns their number; never waits. Without `want_messages`
  /// only group events are served and messages stay queued. This applies back-pressure without pausing a
  /// partition (a pause would discard the prefetched messages).
  std::size_t poll(std::span<Message> out, bool want_messages);
  /// Waits until something arrives, wake() is called or `limit` passes.
  void wait(std::chrono::milliseconds limit);
  void wake();
  /// Stops fetching this partition until resume(), even when it is lost and assigned again. Call both on one thread.
  void pause(TopicPartition const& where);
  /// No effect for a partition that is not paused.
  void resume(TopicPartition const& where);
  /// Reads a partition from there again: poll() returns no message of before any more. Waits for librdkafka, not for a
  /// broker. @return an error if the partition is not assigned
  rd_kafka_resp_err_t seek(TopicPartition const& where, std::int64_t offset);

  /// Commits asynchronously; the answer comes to ConsumerListener::on_committed.
  void commit(std::vector<Position> const& positions);
  /// The first offset that the broker had kept when it last answered a fetch; negative if unknown. Does not wait.
  std::int64_t first_kept(TopicPartition const& where) const;
  /// Ends the revocation of these partitions. Earlier commits are sent before the partitions are handed over.
  void release(std::vector<TopicPartition> const& partitions);
  /// Leaves the group; blocks until the broker knows. Do not call poll() after it.
  void close();

 private:
  static void on_rebalance(rd_kafka_t*, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* list, void* self);
  static void on_commit(rd_kafka_t*, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* list, void* self);
  std::size_t drain(rd_kafka_queue_t* queue, std::span<Message> out);
  void forward(TopicPartition const& where);

  ConsumerListener& listener_;
  Client client_;
  // Group events come through `events_`, messages through `messages_`, so that group events are served while messages
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
