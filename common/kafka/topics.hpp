/// The catalogue of topics: topics.yaml, checked and looked up.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::kafka {

/// One topic as topics.yaml describes it.
struct TopicSpec {
  std::string name;
  std::string key;  ///< the record key's meaning, in words; empty when there is no key
  std::int32_t partitions = 0;
  std::int32_t replication_factor = 1;         ///< the most: `topics apply` uses fewer if fewer brokers run
  std::map<std::string, std::string> configs;  ///< Kafka's own names and values
  std::string owner;                           ///< the worker that is responsible for its events
  bool pii = false;                            ///< carries personal data
  std::vector<std::string> events;             ///< the ce_type of everything published to it
  std::vector<std::string> from_outside;       ///< those of its events that tenants may publish over HTTP
  std::vector<std::string> consumers;          ///< the workers that subscribe to it
  bool dead_letter = false;  ///< derived from its source topic's `dead_letters`; keeps the source's key and partitions

  std::optional<std::chrono::milliseconds> retention() const;  ///< absent: unlimited, or not set
  std::int64_t max_message_bytes() const;                      ///< Kafka's default if not set

  /// The codec that producers write it in, by librdkafka's name; absent when `compression.type` leaves it to them.
  std::optional<std::string> codec() const;

  bool takes_from_outside(std::string_view event_type) const;

  bool operator==(TopicSpec const&) const = default;
};
BOOST_DESCRIBE_STRUCT(TopicSpec, (),
                      (name, key, partitions, replication_factor, configs, owner, pii, events, from_outside, consumers,
                       dead_letter))

/// An error in a topics file; the text starts with `file:line: `.
class TopicsFileError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The name of the dead-letter topic of `topic`.
std::string dead_letter_topic(std::string_view topic);

/// All topics, dead-letter topics included, in the order of the file. Immutable, so any thread may read it.
class TopicCatalog {
 public:
  /// The topics.yaml built into this binary.
  static TopicCatalog const& built_in();

  /// @throws TopicsFileError naming line and field; std::filesystem::filesystem_error when it cannot be read.
  static TopicCatalog load(std::filesystem::path const& path);

  /// `source` names the text in errors. @throws TopicsFileError.
  static TopicCatalog parse(std::string_view yaml, std::string_view source = "topics.yaml");

  std::vector<TopicSpec> const& topics() const { return topics_; }

  /// Null when there is none of that name.
  TopicSpec const* find(std::string_view name) const;

  /// The topic that events of this ce_type are published to; null when the type is unknown.
  TopicSpec const* topic_of(std::string_view event_type) const;

  /// The topics a worker subscribes to.
  std::vector<TopicSpec const*> consumed_by(std::string_view worker) const;

  /// The longest retention of any topic: records of handled events must be kept longer. Absent when one that a worker
  /// consumes has no limit.
  std::optional<std::chrono::milliseconds> longest_retention() const;

  /// The longest retention of the topics that a worker consumes and of their dead letters: how far its records may come
  /// again. Absent when one of them has no limit.
  std::optional<std::chrono::milliseconds> longest_retention(std::string_view worker) const;

 private:
  friend class TopicsFile;
  std::vector<TopicSpec> topics_;
};

}  // namespace omnibus::kafka
