#include "kafka/topic_plan.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace omnibus::kafka {
namespace {

/// Kafka returns lists in its own order.
bool same_config(std::string const& name, std::string const& wanted, std::string const& found) {
  if (wanted == found) return true;
  return name == "cleanup.policy" && wanted.find(',') != std::string::npos && found.find(',') != std::string::npos;
}

std::string join(std::map<std::string, std::string> const& configs) {
  std::string text;
  for (auto const& [name, value] : configs) text += fmt::format("{}{}={}", text.empty() ? "" : " ", name, value);
  return text;
}

TopicChange creation(TopicSpec const& wanted) {
  return {ChangeKind::create, wanted, 0, wanted.configs,
          fmt::format("+ {}: create with {} partitions, replication factor {}, {}", wanted.name, wanted.partitions,
                      wanted.replication_factor, join(wanted.configs))};
}

void compare_partitions(TopicSpec const& wanted, TopicState const& found, TopicPlan& plan) {
  if (found.partitions < wanted.partitions)
    plan.changes.push_back(
        {ChangeKind::add_partitions,
         wanted,
         found.partitions,
         {},
         fmt::format("~ {}: {} partitions to {}{}", wanted.name, found.partitions, wanted.partitions,
                     wanted.key.empty() ? "" : ", which moves keys between partitions (--accept-reordering)")});
  if (found.partitions > wanted.partitions)
    plan.changes.push_back(
        {ChangeKind::too_many_partitions,
         wanted,
         found.partitions,
         {},
         fmt::format("! {}: has {} partitions, {} are wanted; partitions are never taken away: change "
                     "topics.yaml, or move to a new topic",
                     wanted.name, found.partitions, wanted.partitions)});
  if (found.replication_factor != wanted.replication_factor)
    plan.changes.push_back({ChangeKind::replication,
                            wanted,
                            found.partitions,
                            {},
                            fmt::format("! {}: replication factor {}, wanted {}; use kafka-reassign-partitions",
                                        wanted.name, found.replication_factor, wanted.replication_factor)});
}

void compare_configs(TopicSpec const& wanted, TopicState const& found, TopicPlan& plan) {
  std::map<std::string, std::string> different;
  std::string text;
  for (auto const& [name, value] : wanted.configs) {
    auto const now = found.configs->find(name);
    if (now != found.configs->end() && same_config(name, value, now->second.value)) continue;
    different.emplace(name, value);
    text += fmt::format(" {}={} (now {})", name, value, now != found.configs->end() ? now->second.value : "not there");
  }
  if (!different.empty())
    plan.changes.push_back({ChangeKind::alter_configs, wanted, found.partitions, different,
                            fmt::format("~ {}: set{}", wanted.name, text)});
  for (auto const& [name, config] : *found.configs)
    if (config.set_on_topic && !wanted.configs.contains(name))
      plan.notes.push_back(fmt::format("  {}: {}={} is set there and not in topics.yaml; left as it is", wanted.name,
                                       name, config.value));
}

}  // namespace

bool TopicChange::applicable() const {
  return kind == ChangeKind::create || kind == ChangeKind::alter_configs || kind == ChangeKind::add_partitions;
}

bool TopicChange::reorders_keys() const {
  return kind == ChangeKind::add_partitions && !topic.key.empty();
}

TopicSpec fitted(TopicSpec topic, std::int32_t brokers) {
  topic.replication_factor = std::clamp(topic.replication_factor, 1, std::max(1, brokers));
  auto const in_sync = topic.configs.find("min.insync.replicas");
  if (in_sync != topic.configs.end()) {
    std::int32_t wanted = 1;
    auto const& told = in_sync->second;
    std::from_chars(told.data(), told.data() + told.size(), wanted);
    in_sync->second = std::to_string(std::min(wanted, topic.replication_factor));
  }
  return topic;
}

TopicPlan plan_topics(TopicCatalog const& catalog, ClusterState const& cluster) {
  TopicPlan plan;
  for (auto const& topic : catalog.topics()) {
    auto const wanted = fitted(topic, cluster.brokers);
    auto const* found = cluster.find(wanted.name);
    if (found == nullptr) {
      plan.changes.push_back(creation(wanted));
      continue;
    }
    compare_partitions(wanted, *found, plan);
    if (found->configs) compare_configs(wanted, *found, plan);
  }
  for (auto const& topic : cluster.topics)
    if (catalog.find(topic.name) == nullptr)
      plan.notes.push_back(fmt::format("  {}: not in topics.yaml; left as it is", topic.name));
  return plan;
}

}  // namespace omnibus::kafka
