/// What the topics hold of a person.
#pragma once

#include "handler/context.hpp"
#include "handler/resources.hpp"
#include "kafka/client_settings.hpp"
#include "postgres/group_commit.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace omnibus::gdpr {

/// A dead letter about a person.
struct PersonLetter {
  Uuid id;            ///< its header error.id
  std::string topic;  ///< of letters
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  std::string worker;  ///< that gave up
};

/// The ends of all topics at one moment.
struct LogEnds {
  std::string positions;         ///< {topic: {partition: offset}}
  std::int64_t clear_at_ms = 0;  ///< when everything before these ends is deleted, in ms since 1970
};

/// Reads the topics of the catalogue.
class TopicLog {
 public:
  virtual ~TopicLog() = default;
  /// All dead letters about the person with these keys, of all topics from the earliest on.
  virtual Task<std::vector<PersonLetter>> letters(std::set<std::string> keys) = 0;
  virtual Task<LogEnds> ends() = 0;
  /// The first kept offset of each partition of the topics with personal data: {topic: {partition: offset}}.
  virtual Task<std::string> starts() = 0;
};

/// The cluster's. Blocks threads of the pool while it reads. One person's reading is at once; those who are asked for
/// meanwhile share the next one, so that many erasures read the topics a few times. Use it on the event loop only.
/// @throws Failure (outage) while no broker answers.
class KafkaTopicLog final : public TopicLog {
 public:
  /// `resources` outlives it.
  explicit KafkaTopicLog(Resources& resources);
  Task<std::vector<PersonLetter>> letters(std::set<std::string> keys) override;
  Task<LogEnds> ends() override;
  Task<std::string> starts() override;
  /// The letters of each of these people.
  static std::vector<std::vector<PersonLetter>> read_letters(kafka::ClientSettings const& settings,
                                                             std::vector<std::set<std::string>> const& people);
  static LogEnds read_ends(kafka::ClientSettings const& settings, std::int64_t now_ms);
  static std::string read_starts(kafka::ClientSettings const& settings);

 private:
  /// There is nothing to say of an end.
  struct EndItem {};

  Resources& resources_;
  postgres::GroupCommit<std::set<std::string>, std::vector<PersonLetter>> letters_;
  postgres::GroupCommit<EndItem, LogEnds> ends_;
};

}  // namespace omnibus::gdpr
