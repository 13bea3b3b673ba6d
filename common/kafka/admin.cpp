#include "kafka/admin.hpp"

#include "kafka/admin_request.hpp"

#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace omnibus::kafka {
namespace {

using namespace detail;
using NewTopic = std::unique_ptr<rd_kafka_NewTopic_t, Destroy<rd_kafka_NewTopic_destroy>>;
using NewPartitions = std::unique_ptr<rd_kafka_NewPartitions_t, Destroy<rd_kafka_NewPartitions_destroy>>;
using Resource = std::unique_ptr<rd_kafka_ConfigResource_t, Destroy<rd_kafka_ConfigResource_destroy>>;
using Metadata = std::unique_ptr<rd_kafka_metadata_t const, Destroy<rd_kafka_metadata_destroy>>;

void check_topics(rd_kafka_topic_result_t const** results, std::size_t count, std::string const& what) {
  for (std::size_t i = 0; i < count; ++i)
    check(rd_kafka_topic_result_error(results[i]), rd_kafka_topic_result_error_string(results[i]), what);
}

std::map<std::string, ConfigState> to_configs(rd_kafka_ConfigResource_t const* resource) {
  std::map<std::string, ConfigState> configs;
  std::size_t count = 0;
  auto const* const* entries = rd_kafka_ConfigResource_configs(resource, &count);
  for (std::size_t i = 0; i < count; ++i) {
    auto const* value = rd_kafka_ConfigEntry_value(entries[i]);
    configs.emplace(rd_kafka_ConfigEntry_name(entries[i]),
                    ConfigState{value != nullptr ? value : "", rd_kafka_ConfigEntry_source(entries[i]) ==
                                                                   RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG});
  }
  return configs;
}

Metadata fetch_metadata(rd_kafka_t* client, std::chrono::milliseconds timeout) {
  rd_kafka_metadata_t const* metadata = nullptr;
  auto const code = rd_kafka_metadata(client, 1, nullptr, &metadata, static_cast<int>(timeout.count()));
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) throw Error(code, "no broker answers (KAFKA_BROKERS)");
  return Metadata(metadata);
}

/// A consumer that subscribes to nothing. In a client without a group librdkafka 2.14.2 follows a null pointer when a
/// group's coordinator answers that it is none, as a cluster's first one does that is still loading.
Client make_admin_client(ClientSettings const& settings) {
  auto configuration = make_configuration(settings);
  set_default(configuration.get(), settings, "group.id", "omnibus-admin");
  return make_client(RD_KAFKA_CONSUMER, std::move(configuration));
}

}  // namespace

TopicState const* ClusterState::find(std::string_view topic) const {
  for (auto const& state : topics)
    if (state.name == topic) return &state;
  return nullptr;
}

Admin::Admin(ClientSettings const& settings, std::chrono::milliseconds timeout)
    : timeout_(timeout), client_(make_admin_client(settings)) {}

ClusterState Admin::cluster() const {
  auto const metadata = fetch_metadata(client_.get(), timeout_);
  ClusterState state;
  state.brokers = metadata->broker_cnt;
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    auto const& topic = metadata->topics[i];
    std::string_view const name(topic.topic);
    if (name.starts_with("__")) continue;
    check(topic.err, nullptr, fmt::format("topic {}", name));
    TopicState found{
        topic.topic, topic.partition_cnt, topic.partition_cnt > 0 ? topic.partitions[0].replica_cnt : 0, {}};
    for (auto const& partition : std::span{topic.partitions, static_cast<std::size_t>(topic.partition_cnt)}) {
      found.leaderless += partition.leader < 0 ? 1 : 0;
      found.under_replicated += partition.isr_cnt < partition.replica_cnt ? 1 : 0;
    }
    state.topics.push_back(std::move(found));
  }
  if (state.topics.empty() || embedded()) return state;

  std::vector<Resource> resources;
  std::vector<rd_kafka_ConfigResource_t*> asked;
  for (auto const& topic : state.topics) {
    resources.emplace_back(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.name.c_str()));
    asked.push_back(resources.back().get());
  }
  auto const event = request(client_.get(), RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, timeout_, "topic configs",
                             [&](auto* client, auto* options, auto* queue) {
                               rd_kafka_DescribeConfigs(client, asked.data(), asked.size(), options, queue);
                             });
  std::size_t count = 0;
  auto const* const* answers =
      rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event.get()), &count);
  for (std::size_t i = 0; i < count; ++i) {
    std::string_view const name(rd_kafka_ConfigResource_name(answers[i]));
    auto const failure = rd_kafka_ConfigResource_error(answers[i]);
    if (failure == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {  // created or deleted a moment ago: not all brokers agree
      std::erase_if(state.topics, [name](TopicState const& topic) { return topic.name == name; });
      continue;
    }
    check(failure, rd_kafka_ConfigResource_error_string(answers[i]), fmt::format("configs of topic {}", name));
    for (auto& topic : state.topics)
      if (topic.name == name) topic.configs = to_configs(answers[i]);
  }
  return state;
}

void Admin::create_topic(std::string const& name, std::int32_t partitions, std::int32_t replication_factor,
                         std::map<std::string, std::string> const& configs) const {
  auto const what = fmt::format("creating topic {}", name);
  refuse_embedded(what);
  auto reason = no_text;
  NewTopic const topic(
      rd_kafka_NewTopic_new(name.c_str(), partitions, replication_factor, reason.data(), reason.size()));
  if (!topic) check(RD_KAFKA_RESP_ERR__INVALID_ARG, reason.data(), what);
  for (auto const& [key, value] : configs)
    check(rd_kafka_NewTopic_set_config(topic.get(), key.c_str(), value.c_str()), nullptr, what);
  auto* asked = topic.get();
  auto const event = request(
      client_.get(), RD_KAFKA_ADMIN_OP_CREATETOPICS, timeout_, what,
      [&](auto* client, auto* options, auto* queue) { rd_kafka_CreateTopics(client, &asked, 1, options, queue); });
  std::size_t count = 0;
  auto** results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  check_topics(results, count, what);
}

void Admin::alter_configs(std::string const& topic, std::map<std::string, std::string> const& configs) const {
  if (configs.empty()) return;
  auto const what = fmt::format("configs of topic {}", topic);
  refuse_embedded(what);
  Resource const resource(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str()));
  for (auto const& [key, value] : configs)
    check(rd_kafka_ConfigResource_add_incremental_config(resource.get(), key.c_str(), RD_KAFKA_ALTER_CONFIG_OP_TYPE_SET,
                                                         value.c_str()),
          what);
  auto* asked = resource.get();
  auto const event = request(client_.get(), RD_KAFKA_ADMIN_OP_INCREMENTALALTERCONFIGS, timeout_, what,
                             [&](auto* client, auto* options, auto* queue) {
                               rd_kafka_IncrementalAlterConfigs(client, &asked, 1, options, queue);
                             });
  std::size_t count = 0;
  auto const* const* results = rd_kafka_IncrementalAlterConfigs_result_resources(
      rd_kafka_event_IncrementalAlterConfigs_result(event.get()), &count);
  for (std::size_t i = 0; i < count; ++i)
    check(rd_kafka_ConfigResource_error(results[i]), rd_kafka_ConfigResource_error_string(results[i]), what);
}

void Admin::add_partitions(std::string const& topic, std::int32_t total) const {
  auto const what = fmt::format("partitions of topic {}", topic);
  refuse_embedded(what);
  auto reason = no_text;
  NewPartitions const partitions(
      rd_kafka_NewPartitions_new(topic.c_str(), static_cast<std::size_t>(total), reason.data(), reason.size()));
  if (!partitions) check(RD_KAFKA_RESP_ERR__INVALID_ARG, reason.data(), what);
  auto* asked = partitions.get();
  auto const event = request(
      client_.get(), RD_KAFKA_ADMIN_OP_CREATEPARTITIONS, timeout_, what,
      [&](auto* client, auto* options, auto* queue) { rd_kafka_CreatePartitions(client, &asked, 1, options, queue); });
  std::size_t count = 0;
  auto** results = rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(event.get()), &count);
  check_topics(results, count, what);
}

std::vector<std::int64_t> Admin::list_offsets(std::string const& topic, std::int32_t count, std::int64_t which) const {
  auto const what = fmt::format("offsets of topic {}", topic);
  PartitionList const asked(rd_kafka_topic_partition_list_new(count));
  add_all_partitions(asked.get(), topic, count, which);
  auto const event = request(
      client_.get(), RD_KAFKA_ADMIN_OP_LISTOFFSETS, timeout_, what,
      [&](auto* client, auto* options, auto* queue) { rd_kafka_ListOffsets(client, asked.get(), options, queue); });
  std::size_t answered = 0;
  auto const* const* answers =
      rd_kafka_ListOffsets_result_infos(rd_kafka_event_ListOffsets_result(event.get()), &answered);
  std::vector<std::int64_t> offsets(static_cast<std::size_t>(count));
  for (auto const* answer : std::span{answers, answered}) {
    auto const* partition = rd_kafka_ListOffsetsResultInfo_topic_partition(answer);
    check(partition->err, nullptr, what);
    offsets.at(static_cast<std::size_t>(partition->partition)) = partition->offset;
  }
  return offsets;
}

std::vector<Watermarks> Admin::watermarks(std::string const& topic) const {
  auto const count = partition_count(topic);
  auto const low = list_offsets(topic, count, RD_KAFKA_OFFSET_SPEC_EARLIEST);
  auto const high = list_offsets(topic, count, RD_KAFKA_OFFSET_SPEC_LATEST);
  std::vector<Watermarks> marks;
  for (std::size_t partition = 0; partition < low.size(); ++partition)
    marks.push_back({low[partition], high[partition]});
  return marks;
}

std::vector<std::int64_t> Admin::newest_timestamps(std::string const& topic) const {
  auto const count = partition_count(topic);
  std::vector<std::int64_t> newest(static_cast<std::size_t>(count), -1);
  if (embedded()) return newest;
  auto const what = fmt::format("timestamps of topic {}", topic);
  PartitionList const asked(rd_kafka_topic_partition_list_new(count));
  add_all_partitions(asked.get(), topic, count, RD_KAFKA_OFFSET_SPEC_MAX_TIMESTAMP);
  auto const event = request(
      client_.get(), RD_KAFKA_ADMIN_OP_LISTOFFSETS, timeout_, what,
      [&](auto* client, auto* options, auto* queue) { rd_kafka_ListOffsets(client, asked.get(), options, queue); });
  std::size_t answered = 0;
  auto const* const* answers =
      rd_kafka_ListOffsets_result_infos(rd_kafka_event_ListOffsets_result(event.get()), &answered);
  for (auto const* answer : std::span{answers, answered}) {
    auto const* partition = rd_kafka_ListOffsetsResultInfo_topic_partition(answer);
    check(partition->err, nullptr, what);
    newest.at(static_cast<std::size_t>(partition->partition)) = rd_kafka_ListOffsetsResultInfo_timestamp(answer);
  }
  return newest;
}

bool Admin::embedded() const {
  return is_embedded(client_.get(), timeout_);
}

/// It names no controller, for which librdkafka would wait until the timeout.
void Admin::refuse_embedded(std::string const& what) const {
  if (!embedded()) return;
  throw Error(RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE,
              fmt::format("{}: the embedded broker makes its topics at start and cannot change them", what), false,
              false);
}

std::int32_t Admin::partition_count(std::string const& topic) const {
  auto const metadata = fetch_metadata(client_.get(), timeout_);
  for (int i = 0; i < metadata->topic_cnt; ++i)
    if (topic == metadata->topics[i].topic) return metadata->topics[i].partition_cnt;
  throw Error(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "topic " + topic);
}

}  // namespace omnibus::kafka
