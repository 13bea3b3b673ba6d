#include "kafka/event_subjects.hpp"

#include "events/all_events.hpp"
#include "json/decode.hpp"

#include <optional>
#include <vector>

namespace omnibus {
namespace {

template <class Event>
std::optional<Subjects> subjects_in(std::string_view data, std::string_view record_key) {
  if constexpr (NamesSubjects<Event>) {
    auto const event = json::decode<Event>(data);
    return event ? std::optional{subjects_of(*event, record_key)} : std::nullopt;
  } else {
    return Subjects{};
  }
}

template <class... Event>
std::optional<Subjects> subjects_in(EventTypes<Event...>, std::string_view type, std::string_view data,
                                    std::string_view record_key) {
  std::optional<Subjects> subjects;
  static_cast<void>(((type == Event::type && (subjects = subjects_in<Event>(data, record_key), true)) || ...));
  return subjects;
}

std::optional<Subjects> subjects_in(RecordView const& record) {
  auto const key = record.key.value_or(std::string_view{});
  if (is_structured(record)) {
    auto const event = parse_cloud_event(record);
    return event ? subjects_in(AllEvents{}, event->envelope.type, event->data, key) : std::nullopt;
  }
  auto const envelope = parse_envelope(record);
  if (!envelope) return std::nullopt;
  return subjects_in(AllEvents{}, envelope->type, record.value.value_or(std::string_view{}), key);
}

}  // namespace

Subjects subjects_of_record(RecordView const& record) {
  if (auto subjects = subjects_in(record)) return *std::move(subjects);
  return subjects_of_key(record.key.value_or(std::string_view{}));
}

Subjects subjects_of_event(std::string_view type, std::string_view data, std::string_view record_key) {
  if (auto subjects = subjects_in(AllEvents{}, type, data, record_key)) return *std::move(subjects);
  return subjects_of_key(record_key);
}

Subjects subjects_of_record(kafka::Record const& record) {
  std::vector<HeaderView> headers;
  for (auto const& [name, value] : record.headers)
    headers.push_back({name, value ? std::optional<std::string_view>{*value} : std::nullopt});
  return subjects_of_record(RecordView{record.key, record.value, headers});
}

}  // namespace omnibus
