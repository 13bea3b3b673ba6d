#include "workers/gdpr/export/person_log.hpp"

#include "kafka/admin.hpp"
#include "kafka/cloud_event.hpp"
#include "kafka/consumer.hpp"
#include "kafka/event_subjects.hpp"
#include "kafka/message_view.hpp"
#include "kafka/partition_reader.hpp"
#include "kafka/topics.hpp"

#include <algorithm>
#include <vector>

namespace omnibus::gdpr {
namespace {

/// The record, if it is about one of these keys.
void visit_if_about(std::set<SubjectKey> const& keys, std::string_view topic, rd_kafka_message_t const& message,
                    PersonLog::Visit const& visit) {
  kafka::MessageView const view{message};
  auto const record = view.record();
  PersonRecord found{topic, message.partition,         message.offset, kafka::timestamp_ms(message), {},
                     {},    subjects_of_record(record)};
  auto const about = std::any_of(found.subjects.begin(), found.subjects.end(),
                                 [&](SubjectKey const& subject) { return keys.contains(subject); });
  if (!about) return;
  auto const event = parse_cloud_event(record);
  if (event) {
    found.type = event->envelope.type;
    found.data = event->data;
    if (!event->envelope.sealed.empty()) found.sealed = &event->envelope;
  }
  visit(found);
}

}  // namespace

void KafkaPersonLog::read(std::set<SubjectKey> const& keys, std::function<void(std::string_view topic)> const& begin,
                          Visit const& visit) {
  kafka::Admin const admin{settings_};
  kafka::PartitionReader reader{settings_};
  auto const cluster = admin.cluster();
  for (auto const& topic : kafka::TopicCatalog::built_in().topics()) {
    if (!topic.pii || cluster.find(topic.name) == nullptr) continue;
    begin(topic.name);
    auto const watermarks = admin.watermarks(topic.name);
    for (std::size_t i = 0; i < watermarks.size(); ++i)
      reader.read({topic.name, static_cast<std::int32_t>(i)}, watermarks[i].low, watermarks[i].high,
                  [&](rd_kafka_message_t const& message) {
                    visit_if_about(keys, topic.name, message, visit);
                    return true;
                  });
  }
}

}  // namespace omnibus::gdpr
