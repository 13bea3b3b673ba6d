#include "workers/gdpr/erasure/topic_log.hpp"

#include "handler/failure.hpp"
#include "kafka/admin.hpp"
#include "kafka/event_subjects.hpp"
#include "kafka/letter_id.hpp"
#include "kafka/message_view.hpp"
#include "kafka/partition_reader.hpp"
#include "kafka/topics.hpp"
#include "time/time.hpp"
#include "workers/gdpr/erasure/log_clearing.hpp"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

namespace omnibus::gdpr {
namespace {

constexpr std::size_t most_together = 256;

std::string header(RecordView const& record, std::string_view name) {
  std::string found;
  for (auto const& each : record.headers)
    if (each.name == name) found = each.value.value_or("");
  return found;
}

PersonLetter letter_of(rd_kafka_message_t const& message, RecordView const& record) {
  PersonLetter letter{{}, rd_kafka_topic_name(message.rkt), message.partition, message.offset, {}};
  letter.worker = header(record, "error.worker");
  letter.id =
      parse_uuid(header(record, "error.id"))
          .value_or(kafka::letter_id(letter.topic, letter.partition, letter.offset, kafka::timestamp_ms(message)));
  return letter;
}

/// Which of the people have which keys.
std::unordered_map<std::string, std::set<std::size_t>> people_by_key(std::vector<std::set<std::string>> const& people) {
  std::unordered_map<std::string, std::set<std::size_t>> found;
  for (std::size_t i = 0; i < people.size(); ++i)
    for (auto const& key : people[i]) found[key].insert(i);
  return found;
}

/// Runs `read` and turns a broker that does not answer into an outage: no attempt is counted.
template <class Read>
auto or_outage(Read read) {
  try {
    return read();
  } catch (kafka::Error const& error) {
    if (!error.retriable()) throw;
    throw Failure::outage("Kafka does not answer: check KAFKA_BROKERS");
  }
}

/// Appends `"topic":{"0":7}`, one of the two offsets of each partition, to a JSON object.
void append_offsets(std::string& object, std::string const& topic, std::vector<kafka::Watermarks> const& marks,
                    std::int64_t kafka::Watermarks::*offset) {
  object += fmt::format(R"({}"{}":{{)", object.size() > 1 ? "," : "", topic);
  for (std::size_t partition = 0; partition < marks.size(); ++partition)
    object += fmt::format(R"({}"{}":{})", partition > 0 ? "," : "", partition, marks[partition].*offset);
  object += '}';
}

}  // namespace

KafkaTopicLog::KafkaTopicLog(Resources& resources)
    : resources_{resources},
      letters_{resources.loop, resources.pool,
               [&settings = resources.kafka](pqxx::connection&, std::vector<std::set<std::string>> const& people) {
                 return or_outage([&] { return read_letters(settings, people); });
               },
               most_together, 1},
      ends_{resources.loop, resources.pool,
            [&settings = resources.kafka](pqxx::connection&, std::vector<EndItem> const& asked) {
              return std::vector<LogEnds>(asked.size(),
                                          or_outage([&] { return read_ends(settings, wall_clock_ms()); }));
            },
            most_together, 1} {}

std::vector<std::vector<PersonLetter>> KafkaTopicLog::read_letters(kafka::ClientSettings const& settings,
                                                                   std::vector<std::set<std::string>> const& people) {
  kafka::Admin const admin{settings};
  kafka::PartitionReader reader{settings};
  auto const cluster = admin.cluster();
  auto const by_key = people_by_key(people);
  std::vector<std::vector<PersonLetter>> letters(people.size());
  for (auto const& topic : kafka::TopicCatalog::built_in().topics()) {
    if (!topic.dead_letter || cluster.find(topic.name) == nullptr) continue;
    auto const marks = admin.watermarks(topic.name);
    for (std::size_t partition = 0; partition < marks.size(); ++partition) {
      auto const& mark = marks[partition];
      reader.read({topic.name, static_cast<std::int32_t>(partition)}, mark.low, mark.high,
                  [&](rd_kafka_message_t const& message) {
                    kafka::MessageView const view{message};
                    std::set<std::size_t> about;
                    for (auto const& subject : subjects_of_record(view.record()))
                      if (auto const found = by_key.find(subject.text()); found != by_key.end())
                        about.insert(found->second.begin(), found->second.end());
                    for (auto const person : about) letters[person].push_back(letter_of(message, view.record()));
                    return true;
                  });
    }
  }
  return letters;
}

std::string KafkaTopicLog::read_starts(kafka::ClientSettings const& settings) {
  kafka::Admin const admin{settings};
  auto const cluster = admin.cluster();
  std::string starts = "{";
  for (auto const& topic : kafka::TopicCatalog::built_in().topics()) {
    if (!topic.pii || cluster.find(topic.name) == nullptr) continue;
    auto const marks = admin.watermarks(topic.name);
    append_offsets(starts, topic.name, marks, &kafka::Watermarks::low);
  }
  return starts += '}';
}

LogEnds KafkaTopicLog::read_ends(kafka::ClientSettings const& settings, std::int64_t now_ms) {
  kafka::Admin const admin{settings};
  auto const cluster = admin.cluster();
  LogEnds ends{"{", now_ms};
  for (auto const& topic : kafka::TopicCatalog::built_in().topics()) {
    auto const* const state = cluster.find(topic.name);
    if (state == nullptr) continue;
    auto const marks = admin.watermarks(topic.name);
    append_offsets(ends.positions, topic.name, marks, &kafka::Watermarks::high);
    if (!topic.pii) continue;
    for (auto const newest : admin.newest_timestamps(topic.name))
      ends.clear_at_ms = std::max(ends.clear_at_ms, clear_at_ms(*state, topic, std::max(newest, now_ms)));
  }
  ends.positions += '}';
  return ends;
}

Task<std::vector<PersonLetter>> KafkaTopicLog::letters(std::set<std::string> keys) {
  auto reading = letters_.submit(std::move(keys));
  co_return co_await std::move(reading);
}

Task<LogEnds> KafkaTopicLog::ends() {
  auto reading = ends_.submit({});
  co_return co_await std::move(reading);
}

Task<std::string> KafkaTopicLog::starts() {
  auto reading = resources_.pool.run(
      [&settings = resources_.kafka](pqxx::connection&) { return or_outage([&] { return read_starts(settings); }); });
  co_return co_await std::move(reading);
}

}  // namespace omnibus::gdpr
