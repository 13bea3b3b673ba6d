#include "kafka/offset_window.hpp"

#include "kafka/handles.hpp"

#include <algorithm>
#include <memory>
#include <span>

#include <fmt/format.h>

namespace omnibus::kafka {
namespace {

PartitionList new_list(std::size_t size) {
  return PartitionList{rd_kafka_topic_partition_list_new(static_cast<int>(size))};
}

std::span<rd_kafka_topic_partition_t> entries(PartitionList const& list) {
  return {list->elems, static_cast<std::size_t>(list->cnt)};
}

void check(rd_kafka_resp_err_t code, std::string_view what) {
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) throw Error{code, what};
}

Configuration configure(ClientSettings const& settings, std::string const& group) {
  auto configuration = make_configuration(settings);
  if (!group.empty()) set_option(configuration.get(), "group.id", group);
  // The end of a partition is the end of its committed transactions: consumers see no more.
  set_option(configuration.get(), "isolation.level", "read_committed");
  return configuration;
}

}  // namespace

OffsetWindow::OffsetWindow(ClientSettings const& settings, std::string const& group, std::chrono::milliseconds timeout)
    : client_{make_client(RD_KAFKA_CONSUMER, configure(settings, group))},
      timeout_ms_{static_cast<int>(timeout.count())} {}

std::vector<TopicPartition> OffsetWindow::partitions_of(std::string const& topic) {
  TopicHandle const handle{rd_kafka_topic_new(client_.get(), topic.c_str(), nullptr)};
  if (!handle) throw Error{rd_kafka_last_error(), topic};
  using Metadata = struct rd_kafka_metadata;
  Metadata const* metadata = nullptr;
  check(rd_kafka_metadata(client_.get(), 0, handle.get(), &metadata, timeout_ms_), "no broker answers (KAFKA_BROKERS)");
  std::unique_ptr<Metadata const, decltype(&rd_kafka_metadata_destroy)> const owned{metadata,
                                                                                    &rd_kafka_metadata_destroy};
  auto const count = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
  if (count == 0)
    throw Error{RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
                fmt::format("there is no topic {}: see omnibus topics plan", topic), false, false};
  std::vector<TopicPartition> partitions;
  partitions.reserve(static_cast<std::size_t>(count));
  for (std::int32_t partition = 0; partition < count; ++partition) partitions.push_back({topic, partition});
  return partitions;
}

std::vector<std::int64_t> OffsetWindow::offsets_at(std::vector<OffsetRange> const& all, std::int64_t ms) {
  auto const list = new_list(all.size());
  for (auto const& [where, from, to] : all)
    rd_kafka_topic_partition_list_add(list.get(), where.topic.c_str(), where.partition)->offset = ms;
  check(rd_kafka_offsets_for_times(client_.get(), list.get(), timeout_ms_), "offsets by time");
  std::vector<std::int64_t> offsets;
  for (auto const& each : entries(list)) {
    check(each.err, "offsets by time");
    offsets.push_back(each.offset >= 0 ? each.offset : -1);
  }
  return offsets;
}

std::vector<OffsetRange> OffsetWindow::find(std::vector<std::string> const& topics, Moment const& from,
                                            Moment const& to) {
  auto const by_time = from.kind == Moment::Kind::time || to.kind == Moment::Kind::time;
  if (by_time && is_embedded(client_.get(), std::chrono::milliseconds{timeout_ms_}))
    throw Error{RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE,
                "the embedded broker cannot find offsets by time: use earliest and now, or Apache Kafka", false, false};
  std::vector<OffsetRange> all;
  for (auto const& topic : topics) {
    for (auto& where : partitions_of(topic)) {
      std::int64_t low = 0;
      std::int64_t high = 0;
      check(rd_kafka_query_watermark_offsets(client_.get(), where.topic.c_str(), where.partition, &low, &high,
                                             timeout_ms_),
            "offsets of topic " + where.topic);
      all.push_back({std::move(where), low, high});
    }
  }
  // Times before the first record and after the last are the bounds of the existing records.
  auto const starts = from.kind == Moment::Kind::time ? offsets_at(all, from.ms) : std::vector<std::int64_t>{};
  auto const ends = to.kind == Moment::Kind::time ? offsets_at(all, to.ms) : std::vector<std::int64_t>{};
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto const low = all[i].from;
    auto const high = all[i].to;
    auto const at = [&](std::vector<std::int64_t> const& found, Moment const& moment) {
      if (moment.kind == Moment::Kind::earliest) return low;
      return found.empty() || found[i] < 0 ? high : std::clamp(found[i], low, high);
    };
    all[i].from = at(starts, from);
    all[i].to = std::max(all[i].from, at(ends, to));
  }
  return all;
}

std::vector<std::int64_t> OffsetWindow::committed(std::vector<TopicPartition> const& partitions) {
  auto const list = new_list(partitions.size());
  for (auto const& each : partitions) rd_kafka_topic_partition_list_add(list.get(), each.topic.c_str(), each.partition);
  check(rd_kafka_committed(client_.get(), list.get(), timeout_ms_), "offsets of the group");
  std::vector<std::int64_t> offsets;
  for (auto const& each : entries(list)) {
    check(each.err, "offsets of the group");
    offsets.push_back(each.offset >= 0 ? each.offset : -1);
  }
  return offsets;
}

void OffsetWindow::commit(std::vector<Position> const& positions) {
  if (positions.empty()) return;
  auto const list = new_list(positions.size());
  for (auto const& each : positions)
    rd_kafka_topic_partition_list_add(list.get(), each.where.topic.c_str(), each.where.partition)->offset = each.offset;
  check(rd_kafka_commit(client_.get(), list.get(), 0), "offsets of the group");
  for (auto const& each : entries(list)) check(each.err, "offsets of the group");
}

}  // namespace omnibus::kafka
