/// Reading `chat.replies` without a consumer group.
#pragma once

#include "kafka/client_settings.hpp"
#include "kafka/handles.hpp"
#include "workers/gateway/replies/reply.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <librdkafka/rdkafka.h>

namespace omnibus::gateway {

/// One record of the topic: where it stands and, when it is an event of a reply, which.
struct LogEntry {
  Cursor at;
  std::optional<Reply> reply;
};

/// A consumer that every gateway instance has for itself: it commits nothing and no group knows it. Blocking; belongs
/// to one thread.
class ReplyLog {
 public:
  /// Connects in the background. `name` is put behind the client id. @throws kafka::Error for a refused setting.
  ReplyLog(kafka::ClientSettings settings, std::string_view name, std::string topic);
  ~ReplyLog();
  ReplyLog(ReplyLog const&) = delete;
  ReplyLog& operator=(ReplyLog const&) = delete;

  /// The partitions the topic has now. @throws kafka::Error when no broker answers in time or the topic is not there.
  std::vector<std::int32_t> partitions(std::chrono::milliseconds timeout);
  /// Where the partition's next record will stand. @throws kafka::Error.
  std::int64_t end_of(std::int32_t partition, std::chrono::milliseconds timeout);

  /// Begins to fetch a partition from an offset on; from the oldest record kept when that one is gone.
  /// @throws kafka::Error.
  void start(Cursor const& from);
  void stop(std::int32_t partition);

  /// What has arrived, waiting for the first up to `timeout`; at most a few hundred records.
  std::vector<LogEntry> read(std::chrono::milliseconds timeout);

  /// False after the connection to every broker was lost, until something is heard again.
  bool connected() const { return connected_; }

 private:
  static void on_error(rd_kafka_t*, int error, char const* reason, void* self);
  void take(rd_kafka_message_t& message, std::vector<LogEntry>& entries);

  std::string name_;
  kafka::Client client_;
  kafka::TopicHandle topic_;
  kafka::QueueHandle queue_;
  std::set<std::int32_t> started_;
  bool connected_ = true;
};

}  // namespace omnibus::gateway
