#include "kafka/partition_reader.hpp"

#include "kafka/handles.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace omnibus::kafka {
namespace {

Client connect(ClientSettings const& settings, std::chrono::milliseconds longest_fetch) {
  auto configuration = make_configuration(settings);
  auto const set = [&](char const* name, std::string const& value) {
    set_default(configuration.get(), settings, name, value);
  };
  set_option(configuration.get(), "enable.partition.eof", "true");  // how the end is known
  // If retention has removed the first requested records. Not "latest", whatever the worker begins with: the rest would
  // count as removed, too.
  set_option(configuration.get(), "auto.offset.reset", "earliest");
  set("isolation.level", "read_committed");
  set("check.crcs", "true");
  set("queued.max.messages.kbytes", "8192");
  set("fetch.queue.backoff.ms", "5");
  set("fetch.wait.max.ms", std::to_string(longest_fetch.count()));
  return make_client(RD_KAFKA_CONSUMER, std::move(configuration));
}

}  // namespace

/// Partitions being fetched into one queue, for as long as this lives.
class PartitionReader::Fetch {
 public:
  explicit Fetch(rd_kafka_t* client) : client_{client}, queue_{rd_kafka_queue_new(client)} {}
  Fetch(Fetch const&) = delete;
  Fetch& operator=(Fetch const&) = delete;
  ~Fetch() {
    for (auto const& [topic, partition] : begun_) rd_kafka_consume_stop(topic.get(), partition);
  }

  void begin(TopicPartition const& where, std::int64_t offset) {
    TopicHandle topic{rd_kafka_topic_new(client_, where.topic.c_str(), nullptr)};
    if (!topic) throw Error{rd_kafka_last_error(), where.topic};
    if (rd_kafka_consume_start_queue(topic.get(), where.partition, offset, queue_.get()) != 0)
      throw Error{rd_kafka_last_error(), fmt::format("{}/{}", where.topic, where.partition)};
    begun_.emplace_back(std::move(topic), where.partition);
  }

  /// A record, or the end of a partition (RD_KAFKA_RESP_ERR__PARTITION_EOF); nothing when neither came in time.
  /// @throws Error for a lasting error.
  Message next(std::chrono::steady_clock::time_point deadline) {
    for (;;) {
      auto const left =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      Message message{rd_kafka_consume_queue(queue_.get(), static_cast<int>(std::max<std::int64_t>(0, left.count())))};
      if (!message || message->err == RD_KAFKA_RESP_ERR_NO_ERROR || message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
        return message;
      if (!is_retriable(message->err)) throw Error{message->err, rd_kafka_message_errstr(message.get())};
    }
  }

 private:
  rd_kafka_t* client_;
  QueueHandle queue_;
  std::vector<std::pair<TopicHandle, std::int32_t>> begun_;
};

PartitionReader::PartitionReader(ClientSettings const& settings, std::chrono::milliseconds timeout,
                                 std::chrono::milliseconds longest_fetch)
    : timeout_{timeout}, client_{connect(settings, longest_fetch)} {}

PartitionReader::~PartitionReader() = default;

std::int64_t PartitionReader::read(TopicPartition const& where, std::int64_t begin, std::int64_t end,
                                   std::function<bool(rd_kafka_message_t const&)> const& visit) {
  if (begin >= end) return begin;
  Fetch fetch{client_.get()};
  fetch.begin(where, begin);
  for (;;) {
    auto const message = fetch.next(std::chrono::steady_clock::now() + timeout_);
    if (!message)
      throw Error{RD_KAFKA_RESP_ERR__TIMED_OUT,
                  fmt::format("reading {}/{} from offset {}", where.topic, where.partition, begin)};
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR || message->offset >= end) return message->offset;
    if (!visit(*message) || message->offset + 1 >= end) return message->offset + 1;
  }
}

std::vector<std::optional<std::int64_t>> PartitionReader::first_timestamps(std::vector<Position> const& positions) {
  std::vector<std::optional<std::int64_t>> timestamps(positions.size());
  if (positions.empty()) return timestamps;
  auto const deadline = std::chrono::steady_clock::now() + timeout_;
  Fetch fetch{client_.get()};
  for (auto const& position : positions) fetch.begin(position.where, position.offset);
  std::vector<bool> answered(positions.size());
  for (auto left = positions.size(); left > 0;) {
    auto const message = fetch.next(deadline);
    if (!message) break;
    TopicPartition const where{rd_kafka_topic_name(message->rkt), message->partition};
    auto const found = std::ranges::find(positions, where, &Position::where);
    if (found == positions.end()) continue;
    auto const index = static_cast<std::size_t>(found - positions.begin());
    if (answered[index]) continue;
    answered[index] = true;
    --left;
    auto const timestamp = timestamp_ms(*message);
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR && timestamp >= 0) timestamps[index] = timestamp;
  }
  return timestamps;
}

}  // namespace omnibus::kafka
