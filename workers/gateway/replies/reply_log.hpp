/// Reads `chat.replies` without a consumer group.
#pragma once

#include "kafka/client_settings.hpp"
#include "kafka/handles.hpp"
#include "workers/gateway/replies/reply.hpp"
#include "workers/gateway/replies/reply_opener.hpp"

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

/// One record of the topic: its position and, if it is an event of a reply, the reply.
struct LogEntry {
  Cursor at;
  std::optional<Reply> reply;
};

/// Reads an event of the topic; nothing when it is of no interest.
using ReadEvent = std::optional<Reply> (*)(Cursor at, std::string_view type, std::string_view data);

/// A consumer of one gateway process: it commits nothing and joins no group. Blocking; use it on
/// one thread.
class ReplyLog {
 public:
  /// Connects in the background. `name` is appended to the client id. Without `open`, sealed events are of no interest.
  /// @throws kafka::Error for a rejected setting.
  ReplyLog(kafka::ClientSettings settings, std::string_view name, std::string topic, ReadEvent read_event = read_reply,
           OpenReply open = {});
  ~ReplyLog();
  ReplyLog(ReplyLog const&) = delete;
  ReplyLog& operator=(ReplyLog const&) = delete;

  /// The topic's partitions now. @throws kafka::Error when no broker answers in time or the topic does not exist.
  std::vector<std::int32_t> partitions(std::chrono::milliseconds timeout);
  struct Range {
    std::int64_t begin = 0;  ///< of the oldest record kept
    std::int64_t end = 0;    ///< of the next record
  };
  /// The offsets of a partition. @throws kafka::Error.
  Range range_of(std::int32_t partition, std::chrono::milliseconds timeout);

  /// Begins to fetch a partition from an offset on; from the oldest record kept when that one is gone.
  /// @throws kafka::Error.
  void start(Cursor const& from);
  /// True once each started partition has been read to its end.
  bool caught_up() const { return behind_.empty(); }

  /// The records that have arrived, after waiting up to `timeout` for the first; at most a few hundred.
  std::vector<LogEntry> read(std::chrono::milliseconds timeout);

  /// False after the connection to every broker was lost, until one answers again.
  bool connected() const { return connected_; }

 private:
  static void on_error(rd_kafka_t*, int error, char const* reason, void* self);
  void take(rd_kafka_message_t& message, std::vector<LogEntry>& entries);
  std::optional<Reply> read_record(Cursor at, RecordView const& record) const;
  std::optional<Reply> read_data(Cursor at, EnvelopeView const& envelope, std::string_view data) const;

  std::string name_;
  ReadEvent read_event_;
  OpenReply open_;
  kafka::Client client_;
  kafka::TopicHandle topic_;
  kafka::QueueHandle queue_;
  std::set<std::int32_t> started_;
  std::set<std::int32_t> behind_;  // started and not yet read to the end
  bool connected_ = true;
};

}  // namespace omnibus::gateway
