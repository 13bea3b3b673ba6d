#include "kafka/consumer.hpp"

#include <algorithm>
#include <cstring>

namespace omnibus::kafka {
namespace {

constexpr std::size_t batch_size = 2048;
constexpr int position_timeout_ms = 5'000;
constexpr int seek_timeout_ms = 5'000;

PartitionList to_list(std::vector<TopicPartition> const& partitions) {
  PartitionList list{rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size()))};
  for (auto const& each : partitions) rd_kafka_topic_partition_list_add(list.get(), each.topic.c_str(), each.partition);
  return list;
}

std::vector<TopicPartition> from_list(rd_kafka_topic_partition_list_t const& list) {
  std::vector<TopicPartition> partitions;
  partitions.reserve(static_cast<std::size_t>(list.cnt));
  for (auto const& each : std::span{list.elems, static_cast<std::size_t>(list.cnt)})
    partitions.push_back({each.topic, each.partition});
  return partitions;
}

std::vector<Position> positions_from(rd_kafka_topic_partition_list_t const& list) {
  std::vector<Position> positions;
  positions.reserve(static_cast<std::size_t>(list.cnt));
  for (auto const& each : std::span{list.elems, static_cast<std::size_t>(list.cnt)})
    positions.push_back({{each.topic, each.partition},
                         each.offset,
                         {static_cast<char const*>(each.metadata), each.metadata_size},
                         rd_kafka_topic_partition_get_leader_epoch(&each)});
  return positions;
}

Configuration configure(ClientSettings const& client, ConsumerSettings const& settings) {
  auto configuration = make_configuration(client);
  auto const set = [&](std::string const& name, std::string const& value) {
    set_default(configuration.get(), client, name, value);
  };
  set("group.id", settings.group);
  if (!settings.instance_id.empty()) set("group.instance.id", settings.instance_id);
  set("group.protocol", std::string{to_string(settings.protocol)});
  if (settings.protocol == GroupProtocol::classic) {
    set("partition.assignment.strategy", "cooperative-sticky");
    set("session.timeout.ms", std::to_string(settings.session_timeout.count()));
  }
  set("enable.auto.commit", "false");
  set("enable.auto.offset.store", "false");
  set("auto.offset.reset", "earliest");
  set("isolation.level", "read_committed");
  set("check.crcs", "true");
  set("enable.partition.eof", settings.tell_ends ? "true" : "false");
  set("queued.min.messages", "100000");
  set("fetch.max.bytes", std::to_string(std::clamp<std::int64_t>(settings.fetch_bytes, 1 << 20, 50 << 20)));
  set("queued.max.messages.kbytes", std::to_string(std::max<std::int64_t>(1, settings.prefetch_bytes / 1024)));
  // A consumer that is faster than the fetcher must not make the fetcher sleep for the default second.
  set("fetch.queue.backoff.ms", "5");
  set("fetch.wait.max.ms", "100");
  return configuration;
}

}  // namespace

Consumer::Consumer(ClientSettings const& client, ConsumerSettings settings, ConsumerListener& listener)
    : listener_{listener}, buffer_(batch_size) {
  auto configuration = configure(client, settings);
  rd_kafka_conf_set_opaque(configuration.get(), this);
  rd_kafka_conf_set_rebalance_cb(configuration.get(), &Consumer::on_rebalance);
  client_ = make_client(RD_KAFKA_CONSUMER, std::move(configuration));
  rd_kafka_poll_set_consumer(client_.get());
  events_.reset(rd_kafka_queue_get_consumer(client_.get()));
  messages_.reset(rd_kafka_queue_new(client_.get()));
  auto const wake_up = [](rd_kafka_t*, void* self) { static_cast<Consumer*>(self)->wake(); };
  rd_kafka_queue_cb_event_enable(events_.get(), wake_up, this);
  rd_kafka_queue_cb_event_enable(messages_.get(), wake_up, this);

  std::vector<TopicPartition> topics;
  for (auto const& topic : settings.topics) topics.push_back({topic, RD_KAFKA_PARTITION_UA});
  if (auto const error = rd_kafka_subscribe(client_.get(), to_list(topics).get())) throw Error{error, "subscribe"};
}

Consumer::~Consumer() {
  close();
  rd_kafka_queue_cb_event_enable(events_.get(), nullptr, nullptr);
  rd_kafka_queue_cb_event_enable(messages_.get(), nullptr, nullptr);
}

void Consumer::close() {
  if (std::exchange(closed_, true)) return;
  rd_kafka_consumer_close(client_.get());
}

std::size_t Consumer::poll(std::span<Message> out, bool want_messages) {
  auto filled = drain(events_.get(), out);
  if (filled == out.size() || !want_messages) return filled;
  return filled + drain(messages_.get(), out.subspan(filled));
}

std::size_t Consumer::drain(rd_kafka_queue_t* queue, std::span<Message> out) {
  std::size_t filled = 0;
  while (filled < out.size()) {
    auto const wanted = std::min(buffer_.size(), out.size() - filled);
    auto const got = rd_kafka_consume_batch_queue(queue, 0, buffer_.data(), wanted);
    if (got <= 0) break;
    for (auto* raw : std::span{buffer_.data(), static_cast<std::size_t>(got)}) {
      Message message{raw};
      if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        listener_.on_end({{rd_kafka_topic_name(raw->rkt), raw->partition}, raw->offset});
        continue;
      }
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        listener_.on_error(Error{message->err, rd_kafka_message_errstr(raw)});
        continue;
      }
      out[filled++] = std::move(message);
    }
    if (queue == messages_.get()) break;
  }
  return filled;
}

void Consumer::forward(TopicPartition const& where) {
  QueueHandle const queue{rd_kafka_queue_get_partition(client_.get(), where.topic.c_str(), where.partition)};
  if (queue) rd_kafka_queue_forward(queue.get(), messages_.get());
}

void Consumer::wait(std::chrono::milliseconds limit) {
  std::unique_lock lock{mutex_};
  arrived_.wait_for(lock, limit, [this] { return signalled_; });
  signalled_ = false;
}

void Consumer::wake() {
  {
    std::scoped_lock const lock{mutex_};
    signalled_ = true;
  }
  arrived_.notify_one();
}

void Consumer::pause(TopicPartition const& where) {
  if (!paused_.insert(where).second) return;
  auto const error = rd_kafka_pause_partitions(client_.get(), to_list({where}).get());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) listener_.on_error(Error{error, "pause"});
}

void Consumer::resume(TopicPartition const& where) {
  // For a partition that is not paused, librdkafka would discard what it has fetched.
  if (paused_.erase(where) == 0) return;
  auto const error = rd_kafka_resume_partitions(client_.get(), to_list({where}).get());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) listener_.on_error(Error{error, "resume"});
}

rd_kafka_resp_err_t Consumer::seek(TopicPartition const& where, std::int64_t offset) {
  auto const list = to_list({where});
  list->elems[0].offset = offset;
  if (auto* const failed = rd_kafka_seek_partitions(client_.get(), list.get(), seek_timeout_ms)) {
    auto const error = rd_kafka_error_code(failed);
    rd_kafka_error_destroy(failed);
    return error;
  }
  return list->elems[0].err;
}

void Consumer::on_rebalance(rd_kafka_t* client, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* list,
                            void* opaque) {
  auto& self = *static_cast<Consumer*>(opaque);
  auto partitions = from_list(*list);
  if (error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    // Before fetching begins, at every assignment: librdkafka keeps the target of a queue that is already
    // forwarded, and removes it with the partition.
    for (auto const& each : partitions) self.forward(each);
    // librdkafka would read the positions itself, and not return their metadata.
    if (auto const failed = rd_kafka_committed(client, list, position_timeout_ms)) {
      self.listener_.on_error(
          Error{failed, "the committed offsets could not be read; finished events may be delivered again"});
      for (auto& each : std::span{list->elems, static_cast<std::size_t>(list->cnt)}) {
        each.offset = Position::none;
        each.err = RD_KAFKA_RESP_ERR_NO_ERROR;
      }
    }
    self.listener_.on_assigned(positions_from(*list));
    if (auto* const failed = rd_kafka_incremental_assign(client, list)) {
      self.listener_.on_error(Error{rd_kafka_error_code(failed), rd_kafka_error_string(failed)});
      rd_kafka_error_destroy(failed);
    }
    return;
  }
  if (rd_kafka_assignment_lost(client)) {
    self.listener_.on_lost(partitions);
    self.release(partitions);
  } else if (self.closed_) {
    self.release(partitions);  // close() comes after the drain
  } else {
    self.listener_.on_revoked(std::move(partitions));
  }
}

void Consumer::release(std::vector<TopicPartition> const& partitions) {
  if (auto* const failed = rd_kafka_incremental_unassign(client_.get(), to_list(partitions).get())) {
    listener_.on_error(Error{rd_kafka_error_code(failed), rd_kafka_error_string(failed)});
    rd_kafka_error_destroy(failed);
  }
}

void Consumer::commit(std::vector<Position> const& positions) {
  PartitionList const list{rd_kafka_topic_partition_list_new(static_cast<int>(positions.size()))};
  for (auto const& each : positions) {
    auto& added = *rd_kafka_topic_partition_list_add(list.get(), each.where.topic.c_str(), each.where.partition);
    added.offset = each.offset;
    rd_kafka_topic_partition_set_leader_epoch(&added, each.leader_epoch);
    if (each.metadata.empty()) continue;
    added.metadata = strndup(each.metadata.data(), each.metadata.size());  // the list frees it
    added.metadata_size = each.metadata.size();
  }
  auto const error = rd_kafka_commit_queue(client_.get(), list.get(), events_.get(), &Consumer::on_commit, this);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) listener_.on_committed(error, {});
}

std::int64_t Consumer::first_kept(TopicPartition const& where) const {
  std::int64_t first = Position::none;
  std::int64_t end = Position::none;
  rd_kafka_get_watermark_offsets(client_.get(), where.topic.c_str(), where.partition, &first, &end);
  return first;
}

void Consumer::on_commit(rd_kafka_t*, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* list, void* opaque) {
  std::vector<Position> positions;
  if (list != nullptr) {
    // If the broker refused one of them, librdkafka gives its error to all of this commit.
    for (auto const& each : std::span{list->elems, static_cast<std::size_t>(list->cnt)}) {
      if (each.err != RD_KAFKA_RESP_ERR_NO_ERROR) error = RD_KAFKA_RESP_ERR_NO_ERROR;
      positions.push_back({{each.topic, each.partition}, each.offset});
      positions.back().error = each.err;
    }
  }
  static_cast<Consumer*>(opaque)->listener_.on_committed(error, std::move(positions));
}

}  // namespace omnibus::kafka
