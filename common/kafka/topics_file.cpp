#include "kafka/topics_file.hpp"

#include "kafka/yaml_guard.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <yaml-cpp/yaml.h>

namespace omnibus::kafka {
namespace {

constexpr std::size_t deepest_nesting = 8;
constexpr std::size_t longest_name = 249;  // Kafka's own limit
constexpr std::size_t most_topics = 1000;
constexpr std::size_t most_partitions = 1000;
constexpr std::size_t most_replicas = 15;
constexpr std::int64_t least_max_message_bytes = 1 << 20;  // above librdkafka's batch.size of 1,000,000
constexpr std::int64_t most_max_message_bytes = 1 << 30;   // producers take no more; Kafka's own limit is above
constexpr std::int64_t dead_letter_headroom = 64 << 10;    // for the headers with the reason

/// Kafka deletes whole segments, and a segment only once its newest timestamp is old: without these limits a quiet
/// topic, or one record that is dated in the future, keeps personal data for longer than retention.ms says.
constexpr std::array<std::pair<char const*, std::int64_t>, 2> limits_of_personal_data{
    {{"segment.ms", 86'400'000}, {"message.timestamp.after.max.ms", 3'600'000}}};

constexpr std::array<std::string_view, 11> text_configs{"cleanup.policy",
                                                        "compression.type",
                                                        "message.timestamp.type",
                                                        "preallocate",
                                                        "remote.storage.enable",
                                                        "unclean.leader.election.enable",
                                                        "remote.log.copy.disable",
                                                        "remote.log.delete.on.disable",
                                                        "follower.replication.throttled.replicas",
                                                        "leader.replication.throttled.replicas",
                                                        "min.cleanable.dirty.ratio"};
constexpr std::array<std::string_view, 6> compression_types{"producer", "uncompressed", "gzip",
                                                            "snappy",   "lz4",          "zstd"};
constexpr std::array<std::string_view, 22> number_configs{"compression.gzip.level",
                                                          "compression.lz4.level",
                                                          "compression.zstd.level",
                                                          "delete.retention.ms",
                                                          "file.delete.delay.ms",
                                                          "flush.messages",
                                                          "flush.ms",
                                                          "index.interval.bytes",
                                                          "local.retention.bytes",
                                                          "local.retention.ms",
                                                          "max.compaction.lag.ms",
                                                          "max.message.bytes",
                                                          "message.timestamp.after.max.ms",
                                                          "message.timestamp.before.max.ms",
                                                          "min.compaction.lag.ms",
                                                          "min.insync.replicas",
                                                          "retention.bytes",
                                                          "retention.ms",
                                                          "segment.bytes",
                                                          "segment.index.bytes",
                                                          "segment.jitter.ms",
                                                          "segment.ms"};

template <std::size_t size>
bool contains(std::array<std::string_view, size> const& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool made_of(std::string_view text, std::string_view extra) {
  return std::all_of(text.begin(), text.end(), [extra](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || extra.find(c) != std::string_view::npos;
  });
}

/// Ends in `.v` and a number: the major version is part of an event's type.
bool has_version(std::string_view type) {
  auto const at = type.rfind(".v");
  return at != std::string_view::npos && to_number(type.substr(at + 2)).value_or(0) > 0;
}

}  // namespace

std::optional<std::int64_t> to_number(std::string_view text) {
  std::int64_t number = 0;
  auto const [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// Reads one topics file. Every error names its line.
class TopicsFile {
 public:
  explicit TopicsFile(std::string_view source) : source_(source) {}

  TopicCatalog read(std::string_view text) {
    if (text.size() > largest_topics_file)
      throw TopicsFileError(
          fmt::format("{}:1: is {} bytes; {} are the most", source_, text.size(), largest_topics_file));
    try {
      std::string const copy(text);
      guard_yaml(copy, deepest_nesting);
      root(YAML::Load(copy));
    } catch (UnsafeYaml const& error) {
      throw TopicsFileError(fmt::format("{}:{}: {}", source_, error.line, error.what()));
    } catch (YAML::Exception const& error) {
      throw TopicsFileError(fmt::format("{}:{}: {}", source_, error.mark.line + 1, error.msg));
    }
    return std::move(catalog_);
  }

 private:
  [[noreturn]] void refuse(YAML::Node const& node, std::string_view reason) const {
    throw TopicsFileError(fmt::format("{}:{}: {}", source_, std::max(0, node.Mark().line) + 1, reason));
  }

  /// Passes every key of a mapping to `take(key, value)`, which returns false for an unknown one.
  template <class Take>
  void each_key(YAML::Node const& map, std::string_view what, Take take) const {
    if (!map.IsMap()) refuse(map, fmt::format("{} is not a mapping", what));
    std::set<std::string> seen;
    for (auto const& entry : map) {
      if (!entry.first.IsScalar()) refuse(entry.first, fmt::format("a key of {} is not a plain word", what));
      auto const& key = entry.first.Scalar();
      if (!seen.insert(key).second) refuse(entry.first, fmt::format("{} has {} twice", what, key));
      if (!take(key, entry.second)) refuse(entry.first, fmt::format("{} knows no {}", what, key));
    }
  }

  std::string text(YAML::Node const& node, std::string_view what) const {
    if (!node.IsScalar()) refuse(node, fmt::format("{} is not a text", what));
    if (node.Scalar().empty()) refuse(node, fmt::format("{} is empty", what));
    return node.Scalar();
  }

  bool truth(YAML::Node const& node, std::string_view what) const {
    if (node.IsScalar() && node.Scalar() == "true") return true;
    if (node.IsScalar() && node.Scalar() == "false") return false;
    refuse(node, fmt::format("{} is neither true nor false", what));
  }

  std::int32_t number(YAML::Node const& node, std::string_view what, std::size_t most) const {
    auto const value = node.IsScalar() ? to_number(node.Scalar()) : std::nullopt;
    if (!value || *value < 1 || *value > static_cast<std::int64_t>(most))
      refuse(node, fmt::format("{} is not a number from 1 to {}", what, most));
    return static_cast<std::int32_t>(*value);
  }

  template <class Check>
  std::vector<std::string> list(YAML::Node const& node, std::string_view what, Check check) const {
    if (!node.IsSequence()) refuse(node, fmt::format("{} is not a list", what));
    std::vector<std::string> items;
    std::set<std::string> seen;
    for (auto const& item : node) {
      auto value = text(item, fmt::format("an item of {}", what));
      if (!seen.insert(value).second) refuse(item, fmt::format("{} has {} twice", what, value));
      check(item, value);
      items.push_back(std::move(value));
    }
    return items;
  }

  std::map<std::string, std::string> configs(YAML::Node const& node, std::string_view what) const {
    std::map<std::string, std::string> configs;
    each_key(node, what, [&](std::string const& key, YAML::Node const& value) {
      auto const is_number = contains(number_configs, key);
      if (!is_number && !contains(text_configs, key) && !key.starts_with("confluent.")) return false;
      auto const told = text(value, key);
      if (is_number && !to_number(told)) refuse(value, fmt::format("{} is not a whole number", key));
      if (key == "cleanup.policy" && told != "delete" && told != "compact" && told != "compact,delete" &&
          told != "delete,compact")
        refuse(value, "cleanup.policy is one of delete, compact and delete,compact");
      if (key == "compression.type" && !contains(compression_types, told))
        refuse(value, fmt::format("compression.type is one of {}", fmt::join(compression_types, ", ")));
      auto const bytes = key == "max.message.bytes" ? to_number(told).value_or(0) : least_max_message_bytes;
      if (bytes < least_max_message_bytes)
        refuse(value, fmt::format("max.message.bytes is at least {}: it bounds whole batches, and producers fill them",
                                  least_max_message_bytes));
      if (bytes > most_max_message_bytes)
        refuse(value, fmt::format("max.message.bytes is at most {}", most_max_message_bytes));
      configs.emplace(key, told);
      return true;
    });
    return configs;
  }

  void root(YAML::Node const& node) {
    if (!node.IsMap()) refuse(node, "the file is not a mapping with the key topics");
    each_key(node, "the file", [&](std::string const& key, YAML::Node const& value) {
      if (key != "topics") return false;
      if (!value.IsSequence()) refuse(value, "topics is not a list");
      if (value.size() > most_topics) refuse(value, fmt::format("holds more than {} topics", most_topics));
      for (auto const& item : value) topic(item);
      return true;
    });
    if (catalog_.topics_.empty()) refuse(node, "holds no topics");
  }

  std::string name(YAML::Node const& node) const {
    auto told = text(node, "name");
    if (!made_of(told, ".-") || told == "." || told == "..")
      refuse(node, fmt::format("topic name {} has other characters than a-z 0-9 . -", told));
    if (told.size() + dead_letter_topic("").size() > longest_name)
      refuse(node, fmt::format("topic name is longer than {}", longest_name - dead_letter_topic("").size()));
    return told;
  }

  void topic(YAML::Node const& node) {
    TopicSpec spec;
    YAML::Node from_outside;
    YAML::Node dead_letters;
    std::set<std::string> told;
    each_key(node, "a topic", [&](std::string const& key, YAML::Node const& value) {
      told.insert(key);
      if (key == "name") {
        spec.name = name(value);
      } else if (key == "key") {
        spec.key = text(value, "key");
      } else if (key == "partitions") {
        spec.partitions = number(value, "partitions", most_partitions);
      } else if (key == "replication_factor") {
        spec.replication_factor = number(value, "replication_factor", most_replicas);
      } else if (key == "configs") {
        spec.configs = configs(value, "configs");
      } else if (key == "owner") {
        spec.owner = worker(value, text(value, "owner"));
      } else if (key == "pii") {
        spec.pii = truth(value, "pii");
      } else if (key == "events") {
        spec.events = list(value, "events", [this](auto const& item, auto const& type) { event(item, type); });
      } else if (key == "from_outside") {
        from_outside = value;
      } else if (key == "consumers") {
        spec.consumers = list(value, "consumers", [this](auto const& item, auto const& who) { worker(item, who); });
      } else if (key == "dead_letters") {
        dead_letters = value;
      } else {
        return false;
      }
      return true;
    });
    for (auto const* needed : {"name", "partitions", "owner", "pii", "events", "consumers"})
      if (!told.contains(needed)) refuse(node, fmt::format("topic {} has no {}", spec.name, needed));
    // Last, since a file may list them before `events`.
    if (told.contains("from_outside"))
      spec.from_outside = list(from_outside, "from_outside", [&](auto const& item, auto const& type) {
        if (std::find(spec.events.begin(), spec.events.end(), type) == spec.events.end())
          refuse(item, fmt::format("from_outside has {}, which is not among the events of topic {}", type, spec.name));
      });
    add(node, spec);
    if (told.contains("dead_letters")) add_dead_letters(dead_letters, spec);
  }

  std::string worker(YAML::Node const& node, std::string const& told) const {
    if (!made_of(told, "-")) refuse(node, fmt::format("worker name {} has other characters than a-z 0-9 -", told));
    return told;
  }

  void event(YAML::Node const& node, std::string const& type) const {
    if (!made_of(type, ".-_") || !has_version(type))
      refuse(node, fmt::format("event type {} is not lower case ending in .v and a number", type));
    if (auto const* other = catalog_.topic_of(type))
      refuse(node, fmt::format("event type {} is of topic {} already", type, other->name));
  }

  void add_dead_letters(YAML::Node const& node, TopicSpec const& source) {
    TopicSpec spec = source;
    spec.name = dead_letter_topic(source.name);
    spec.configs["cleanup.policy"] = "delete";
    auto const room = source.max_message_bytes() + dead_letter_headroom;
    spec.configs["max.message.bytes"] = std::to_string(room);
    spec.events.clear();
    spec.from_outside.clear();
    spec.consumers.clear();
    spec.dead_letter = true;
    if (node.IsMap()) {
      for (auto const& [key, value] : configs(node, "dead_letters")) spec.configs[key] = value;
      if (spec.max_message_bytes() < room)
        refuse(node, fmt::format("max.message.bytes of dead letters is at least {}", room));
    } else if (!truth(node, "dead_letters")) {
      return;
    }
    add(node, spec);
  }

  void add(YAML::Node const& node, TopicSpec spec) {
    if (catalog_.find(spec.name) != nullptr) refuse(node, fmt::format("topic {} is there twice", spec.name));
    for (auto const& [name, limit] : limits_of_personal_data) {
      if (!spec.pii) break;
      auto const told = to_number(spec.configs.try_emplace(name, std::to_string(limit)).first->second);
      if (!told || *told < 1 || *told > limit)
        refuse(node, fmt::format("{} of topic {} is from 1 to {}: it carries personal data", name, spec.name, limit));
    }
    catalog_.topics_.push_back(std::move(spec));
  }

  std::string source_;
  TopicCatalog catalog_;
};

TopicCatalog read_topics(std::string_view yaml, std::string_view source) {
  return TopicsFile(source).read(yaml);
}

}  // namespace omnibus::kafka
