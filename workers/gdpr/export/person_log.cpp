#include "workers/gdpr/export/person_log.hpp"

#include "kafka/admin.hpp"
#include "kafka/cloud_event.hpp"
#include "kafka/consumer.hpp"
#include "kafka/event_subjects.hpp"
#include "kafka/partition_reader.hpp"
#include "kafka/topics.hpp"

#include <algorithm>
#include <optional>
#include <vector>

namespace omnibus::gdpr {
namespace {

std::optional<std::string_view> view(void const* bytes, std::size_t size) {
  if (bytes == nullptr) return std::nullopt;
  return std::string_view{static_cast<char const*>(bytes), size};
}

std::vector<HeaderView> headers_of(rd_kafka_message_t const& message) {
  std::vector<HeaderView> headers;
  rd_kafka_headers_t* all = nullptr;
  if (rd_kafka_message_headers(&message, &all) != RD_KAFKA_RESP_ERR_NO_ERROR) return headers;
  char const* name = nullptr;
  void const* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0; rd_kafka_header_get_all(all, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i)
    headers.push_back({name, view(value, size)});
  return headers;
}

/// The record, if it is about one of these keys.
void visit_if_about(std::set<SubjectKey> const& keys, std::string_view topic, rd_kafka_message_t const& message,
                    PersonLog::Visit const& visit) {
  auto const headers = headers_of(message);
  RecordView const record{view(message.key, message.key_len), view(message.payload, message.len), headers};
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
