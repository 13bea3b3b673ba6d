#include "kafka/admin.hpp"
#include "kafka/admin_request.hpp"
#include "kafka/error.hpp"

#include <algorithm>
#include <memory>
#include <span>
#include <utility>

#include <fmt/format.h>

namespace omnibus::kafka {
namespace {

using namespace detail;
using GroupOffsets =
    std::unique_ptr<rd_kafka_ListConsumerGroupOffsets_t, Destroy<rd_kafka_ListConsumerGroupOffsets_destroy>>;

std::string about_offsets(std::string const& group) {
  return fmt::format("offsets of group {}", group);
}

/// A group's commits for these partitions, less than 0 without one; without a list, all its commits.
std::vector<Position> offsets_of(rd_kafka_t* client, std::chrono::milliseconds timeout, std::string const& group,
                                 rd_kafka_topic_partition_list_t const* asked) {
  auto const what = about_offsets(group);
  GroupOffsets const offsets(rd_kafka_ListConsumerGroupOffsets_new(group.c_str(), asked));
  auto* one = offsets.get();
  auto const event = request(client, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, timeout, what,
                             [&](auto* asking, auto* options, auto* queue) {
                               rd_kafka_ListConsumerGroupOffsets(asking, &one, 1, options, queue);
                             });
  std::size_t count = 0;
  auto const* const* groups = rd_kafka_ListConsumerGroupOffsets_result_groups(
      rd_kafka_event_ListConsumerGroupOffsets_result(event.get()), &count);
  std::vector<Position> positions;
  for (auto const* answer : std::span{groups, count}) {
    auto const* failure = rd_kafka_group_result_error(answer);
    if (failure != nullptr) check(rd_kafka_error_code(failure), rd_kafka_error_string(failure), what);
    auto const* partitions = rd_kafka_group_result_partitions(answer);
    for (int p = 0; p < partitions->cnt; ++p) {
      auto const& partition = partitions->elems[p];
      check(partition.err, nullptr, what);
      positions.push_back({{partition.topic, partition.partition}, partition.offset});
    }
  }
  return positions;
}

}  // namespace

std::int64_t PartitionLag::lag() const {
  auto const from = std::max(committed, watermarks.low);
  return std::max<std::int64_t>(0, watermarks.high - from);
}

std::vector<PartitionLag> Admin::group_lag(std::string const& group, std::vector<std::string> const& topics) const {
  std::map<std::string, std::vector<Watermarks>> marks;
  PartitionList const asked(rd_kafka_topic_partition_list_new(16));
  for (auto const& topic : topics) {
    auto const& known = marks[topic] = watermarks(topic);
    add_all_partitions(asked.get(), topic, static_cast<std::int32_t>(known.size()), RD_KAFKA_OFFSET_INVALID);
  }
  std::vector<PartitionLag> lags;
  for (auto& each : offsets_of(client_.get(), timeout_, group, asked.get())) {
    auto& where = each.where;
    auto const& mark = marks.at(where.topic).at(static_cast<std::size_t>(where.partition));
    lags.push_back({std::move(where.topic), where.partition, std::max<std::int64_t>(each.offset, -1), mark});
  }
  return lags;
}

std::vector<std::string> Admin::groups() const {
  std::string const what = "consumer groups";
  refuse_embedded(what);
  auto const event =
      request(client_.get(), RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS, timeout_, what,
              [](auto* client, auto* options, auto* queue) { rd_kafka_ListConsumerGroups(client, options, queue); });
  auto const* result = rd_kafka_event_ListConsumerGroups_result(event.get());
  std::size_t count = 0;
  auto const* const* failures = rd_kafka_ListConsumerGroups_result_errors(result, &count);
  if (count > 0) check(rd_kafka_error_code(failures[0]), rd_kafka_error_string(failures[0]), what);
  auto const* const* listed = rd_kafka_ListConsumerGroups_result_valid(result, &count);
  std::vector<std::string> names;
  for (auto const* group : std::span{listed, count}) names.emplace_back(rd_kafka_ConsumerGroupListing_group_id(group));
  std::ranges::sort(names);
  return names;
}

std::vector<GroupState> Admin::describe_groups(std::vector<std::string> const& names) const {
  std::string const what = "consumer groups' members";
  refuse_embedded(what);
  if (names.empty()) return {};
  std::vector<char const*> asked;
  asked.reserve(names.size());
  for (auto const& name : names) asked.push_back(name.c_str());
  auto const event = request(client_.get(), RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, timeout_, what,
                             [&](auto* client, auto* options, auto* queue) {
                               rd_kafka_DescribeConsumerGroups(client, asked.data(), asked.size(), options, queue);
                             });
  std::size_t count = 0;
  auto const* const* described =
      rd_kafka_DescribeConsumerGroups_result_groups(rd_kafka_event_DescribeConsumerGroups_result(event.get()), &count);
  std::vector<GroupState> groups;
  for (auto const* group : std::span{described, count}) {
    GroupState state;
    state.name = rd_kafka_ConsumerGroupDescription_group_id(group);
    // A group that was deleted since the listing has no members, and must not fail the whole call.
    if (auto const* failure = rd_kafka_ConsumerGroupDescription_error(group); failure != nullptr) {
      auto const code = rd_kafka_error_code(failure);
      if (code != RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND) check(code, rd_kafka_error_string(failure), what);
      state.state = "Dead";
      groups.push_back(std::move(state));
      continue;
    }
    state.state = rd_kafka_consumer_group_state_name(rd_kafka_ConsumerGroupDescription_state(group));
    auto const members = rd_kafka_ConsumerGroupDescription_member_count(group);
    state.members = static_cast<std::int32_t>(members);
    for (std::size_t i = 0; i < members; ++i) {
      auto const* assignment =
          rd_kafka_MemberDescription_assignment(rd_kafka_ConsumerGroupDescription_member(group, i));
      auto const* partitions = assignment != nullptr ? rd_kafka_MemberAssignment_partitions(assignment) : nullptr;
      for (int p = 0; partitions != nullptr && p < partitions->cnt; ++p)
        state.assigned.push_back({partitions->elems[p].topic, partitions->elems[p].partition});
    }
    groups.push_back(std::move(state));
  }
  return groups;
}

std::vector<Position> Admin::committed(std::string const& group) const {
  refuse_embedded(about_offsets(group));
  auto positions = offsets_of(client_.get(), timeout_, group, nullptr);
  std::erase_if(positions, [](Position const& position) { return position.offset < 0; });
  return positions;
}

}  // namespace omnibus::kafka
