#include "workers/gateway/replies/reply_log.hpp"

#include "kafka/cloud_event.hpp"
#include "kafka/message_view.hpp"
#include "observability/log.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

namespace omnibus::gateway {
namespace {

constexpr std::size_t batch = 512;

int to_ms(std::chrono::milliseconds duration) {
  return static_cast<int>(duration.count());
}

kafka::Client connect(kafka::ClientSettings const& settings, void* self,
                      void (*on_error)(rd_kafka_t*, int, char const*, void*)) {
  auto configuration = kafka::make_configuration(settings);
  auto* const raw = configuration.get();
  for (auto const& [name, value] :
       std::initializer_list<std::pair<char const*, char const*>>{{"enable.auto.commit", "false"},
                                                                  {"enable.auto.offset.store", "false"},
                                                                  {"enable.partition.eof", "true"},
                                                                  {"auto.offset.reset", "earliest"},
                                                                  {"isolation.level", "read_committed"},
                                                                  {"check.crcs", "true"},
                                                                  {"fetch.queue.backoff.ms", "10"},
                                                                  {"fetch.error.backoff.ms", "100"},
                                                                  {"queued.max.messages.kbytes", "16384"}})
    kafka::set_default(raw, settings, name, value);
  rd_kafka_conf_set_opaque(raw, self);
  rd_kafka_conf_set_error_cb(raw, on_error);
  return kafka::make_client(RD_KAFKA_CONSUMER, std::move(configuration));
}

}  // namespace

ReplyLog::ReplyLog(kafka::ClientSettings settings, std::string_view name, std::string topic, ReadEvent read_event,
                   OpenReply open)
    : name_(std::move(topic)), read_event_(read_event), open_(std::move(open)) {
  settings.client_id += "-";
  settings.client_id += name;
  client_ = connect(settings, this, &ReplyLog::on_error);
  topic_.reset(rd_kafka_topic_new(client_.get(), name_.c_str(), nullptr));
  if (!topic_) throw kafka::Error(rd_kafka_last_error(), name_);
  queue_.reset(rd_kafka_queue_new(client_.get()));
}

ReplyLog::~ReplyLog() {
  for (auto const partition : started_) rd_kafka_consume_stop(topic_.get(), partition);
  queue_.reset();
  topic_.reset();
}

void ReplyLog::on_error(rd_kafka_t*, int error, char const*, void* self) {
  if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) static_cast<ReplyLog*>(self)->connected_ = false;
}

std::vector<std::int32_t> ReplyLog::partitions(std::chrono::milliseconds timeout) {
  using Metadata = struct rd_kafka_metadata;  // librdkafka has a function of that name, too
  Metadata const* metadata = nullptr;
  auto const failure = rd_kafka_metadata(client_.get(), 0, topic_.get(), &metadata, to_ms(timeout));
  if (failure != RD_KAFKA_RESP_ERR_NO_ERROR) throw kafka::Error(failure, name_);
  std::unique_ptr<Metadata const, decltype(&rd_kafka_metadata_destroy)> const owned(metadata,
                                                                                    &rd_kafka_metadata_destroy);
  if (metadata->topic_cnt != 1 || metadata->topics[0].partition_cnt == 0)
    throw kafka::Error(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, name_);
  auto const& topic = metadata->topics[0];
  if (topic.err != RD_KAFKA_RESP_ERR_NO_ERROR) throw kafka::Error(topic.err, name_);
  connected_ = true;
  std::vector<std::int32_t> ids;
  for (auto const& partition : std::span(topic.partitions, static_cast<std::size_t>(topic.partition_cnt)))
    ids.push_back(partition.id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

ReplyLog::Range ReplyLog::range_of(std::int32_t partition, std::chrono::milliseconds timeout) {
  Range range;
  auto const failure = rd_kafka_query_watermark_offsets(client_.get(), name_.c_str(), partition, &range.begin,
                                                        &range.end, to_ms(timeout));
  if (failure != RD_KAFKA_RESP_ERR_NO_ERROR) throw kafka::Error(failure, name_);
  return range;
}

void ReplyLog::start(Cursor const& from) {
  if (rd_kafka_consume_start_queue(topic_.get(), from.partition, from.offset, queue_.get()) != 0)
    throw kafka::Error(rd_kafka_last_error(), name_);
  started_.insert(from.partition);
  behind_.insert(from.partition);
}

std::optional<Reply> ReplyLog::read_record(Cursor at, RecordView const& record) const {
  if (!record.value) return std::nullopt;
  if (is_structured(record)) {
    auto const event = parse_cloud_event(record);
    return event ? read_data(at, view_of(event->envelope), event->data) : std::nullopt;
  }
  auto const envelope = parse_envelope(record);
  return envelope ? read_data(at, *envelope, *record.value) : std::nullopt;
}

std::optional<Reply> ReplyLog::read_data(Cursor at, EnvelopeView const& envelope, std::string_view data) const {
  if (envelope.sealed.empty()) return read_event_(at, envelope.type, data);
  auto const opened = open_ ? open_(envelope, data) : std::nullopt;
  return opened ? read_event_(at, envelope.type, *opened) : std::nullopt;
}

void ReplyLog::take(rd_kafka_message_t& message, std::vector<LogEntry>& entries) {
  if (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    behind_.erase(message.partition);
    return;
  }
  if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    log::debug("reading replies", {{"reason", rd_kafka_err2str(message.err)}, {"partition", message.partition}});
    return;
  }
  connected_ = true;
  kafka::MessageView const view{message};
  Cursor const at{message.partition, message.offset};
  entries.push_back({at, read_record(at, view.record())});
}

std::vector<LogEntry> ReplyLog::read(std::chrono::milliseconds timeout) {
  std::vector<LogEntry> entries;
  rd_kafka_poll(client_.get(), 0);  // serves on_error
  // A batch would wait its whole timeout until it is full, so wait for one record and take the others that are there.
  std::array<rd_kafka_message_t*, batch> messages{};
  messages[0] = rd_kafka_consume_queue(queue_.get(), to_ms(timeout));
  if (messages[0] == nullptr) return entries;
  auto const more = rd_kafka_consume_batch_queue(queue_.get(), 0, messages.data() + 1, batch - 1);
  auto const count = 1 + (more > 0 ? static_cast<std::size_t>(more) : 0);
  entries.reserve(count);
  for (auto* const message : std::span(messages.data(), count)) {
    take(*message, entries);
    rd_kafka_message_destroy(message);
  }
  return entries;
}

}  // namespace omnibus::gateway
