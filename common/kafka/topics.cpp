#include "kafka/topics.hpp"

#include "kafka/builtin_topics.hpp"
#include "kafka/topics_file.hpp"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <system_error>

namespace omnibus::kafka {
namespace {

constexpr std::int64_t kafka_default_max_message_bytes = 1048588;
constexpr std::string_view dead_letter_suffix = ".dlq";

}  // namespace

std::optional<std::chrono::milliseconds> TopicSpec::retention() const {
  auto const policy = configs.find("cleanup.policy");
  if (policy != configs.end() && policy->second == "compact") return std::nullopt;
  auto const told = configs.find("retention.ms");
  auto const value = told == configs.end() ? std::nullopt : to_number(told->second);
  if (!value || *value < 0) return std::nullopt;
  return std::chrono::milliseconds(*value);
}

std::int64_t TopicSpec::max_message_bytes() const {
  auto const told = configs.find("max.message.bytes");
  return told == configs.end() ? kafka_default_max_message_bytes
                               : to_number(told->second).value_or(kafka_default_max_message_bytes);
}

std::optional<std::string> TopicSpec::codec() const {
  auto const told = configs.find("compression.type");
  if (told == configs.end() || told->second == "producer") return std::nullopt;
  return told->second == "uncompressed" ? "none" : told->second;
}

bool TopicSpec::takes_from_outside(std::string_view event_type) const {
  return std::find(from_outside.begin(), from_outside.end(), event_type) != from_outside.end();
}

std::string dead_letter_topic(std::string_view topic) {
  return std::string(topic) += dead_letter_suffix;
}

TopicCatalog const& TopicCatalog::built_in() {
  static TopicCatalog const catalog = parse(builtin_topics());
  return catalog;
}

TopicCatalog TopicCatalog::load(std::filesystem::path const& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    throw std::filesystem::filesystem_error("cannot open topics file", path,
                                            std::error_code(errno, std::generic_category()));
  std::string text(largest_topics_file + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad())
    throw std::filesystem::filesystem_error("cannot read topics file", path, std::make_error_code(std::errc::io_error));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return parse(text, path.string());
}

TopicCatalog TopicCatalog::parse(std::string_view yaml, std::string_view source) {
  return read_topics(yaml, source);
}

TopicSpec const* TopicCatalog::find(std::string_view name) const {
  for (auto const& topic : topics_)
    if (topic.name == name) return &topic;
  return nullptr;
}

TopicSpec const* TopicCatalog::topic_of(std::string_view event_type) const {
  for (auto const& topic : topics_)
    if (std::find(topic.events.begin(), topic.events.end(), event_type) != topic.events.end()) return &topic;
  return nullptr;
}

std::vector<TopicSpec const*> TopicCatalog::consumed_by(std::string_view worker) const {
  std::vector<TopicSpec const*> found;
  for (auto const& topic : topics_)
    if (std::find(topic.consumers.begin(), topic.consumers.end(), worker) != topic.consumers.end())
      found.push_back(&topic);
  return found;
}

std::optional<std::chrono::milliseconds> TopicCatalog::longest_retention() const {
  std::chrono::milliseconds longest{0};
  for (auto const& topic : topics_) {
    auto const kept = topic.retention();
    if (!kept && topic.consumers.empty() && !topic.dead_letter) continue;  // no worker handles its records
    if (!kept) return std::nullopt;
    longest = std::max(longest, *kept);
  }
  return longest;
}

std::optional<std::chrono::milliseconds> TopicCatalog::longest_retention(std::string_view worker) const {
  std::chrono::milliseconds longest{0};
  for (auto const* const topic : consumed_by(worker)) {
    for (auto const* const each : {topic, find(dead_letter_topic(topic->name))}) {
      if (each == nullptr) continue;
      auto const kept = each->retention();
      if (!kept) return std::nullopt;
      longest = std::max(longest, *kept);
    }
  }
  return longest;
}

}  // namespace omnibus::kafka
