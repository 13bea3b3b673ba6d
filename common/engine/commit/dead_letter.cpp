#include "engine/commit/dead_letter.hpp"

#include "engine/dispatch/record_headers.hpp"
#include "kafka/event_subjects.hpp"
#include "kafka/letter_id.hpp"
#include "kafka/topics.hpp"
#include "time/time.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include <fmt/format.h>

namespace omnibus::engine {
namespace {

constexpr std::size_t longest_message = 512;
constexpr std::array<std::string_view, 12> ours{
    "error.id",         "error.class", "error.message",   "error.attempts", "error.worker",    "error.group",
    "error.first_seen", "error.topic", "error.partition", "error.offset",   "error.timestamp", "error.truncated"};
constexpr std::string_view redrive_header = "omnibus-redrive";
constexpr std::string_view group_prefix = "omnibus-";
constexpr std::string_view suffix = ".dlq";

bool is_ours(std::string_view name) {
  return std::ranges::find(ours, name) != ours.end();
}

std::optional<std::string> bytes(void const* data, std::size_t size) {
  if (data == nullptr) return std::nullopt;
  return std::string{static_cast<char const*>(data), size};
}

std::string source_topic(std::string_view letters) {
  return std::string{letters.ends_with(suffix) ? letters.substr(0, letters.size() - suffix.size()) : letters};
}

/// A number that is not negative.
template <class Number>
std::optional<Number> number_in(std::string_view text) {
  Number number = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

}  // namespace

kafka::Record make_dead_letter(ReceivedRecord const& received, kafka::TopicPartition const& from,
                               DeadLetterReason const& reason) {
  kafka::Record record{.topic = kafka::dead_letter_topic(from.topic),
                       .key = bytes(received.key().data(), received.key().size()),
                       .value = bytes(received.value().data(), received.value().size()),
                       .headers = {},
                       .partition = {}};
  received.for_each_header([&](std::string_view name, std::optional<std::string_view> value) {
    if (is_ours(name)) return;
    record.headers.push_back({std::string{name}, value ? std::optional<std::string>{*value} : std::nullopt});
  });
  auto const add = [&](std::string_view name, std::string value) {
    record.headers.push_back({std::string{name}, std::move(value)});
  };
  add("error.id", to_string(random_uuid()));
  add("error.class", reason.failure.error_class());
  add("error.message", std::string{std::string_view{reason.failure.what()}.substr(0, longest_message)});
  add("error.attempts", std::to_string(reason.attempts));
  add("error.worker", std::string{reason.worker});
  add("error.group", std::string{reason.group});
  add("error.first_seen", format_time_ms(unix_ms(reason.first_seen), Fraction::none));
  add("error.topic", from.topic);
  add("error.partition", std::to_string(from.partition));
  add("error.offset", std::to_string(received.offset()));
  add("error.timestamp", std::to_string(received.timestamp_ms()));
  return record;
}

std::optional<kafka::Record> shorten(kafka::Record& letter, std::int64_t most_bytes) {
  auto const size = [&] { return static_cast<std::int64_t>(kafka::batch_bytes(letter)); };
  auto const whole = size();
  if (whole <= most_bytes) return std::nullopt;
  kafka::Record original{source_topic(letter.topic), letter.key, std::move(letter.value), {}, {}};
  auto const first_of_ours = std::ranges::find_if(letter.headers, is_ours, &Header::name);
  original.headers.assign(letter.headers.begin(), first_of_ours);
  letter.value.reset();
  letter.headers.push_back({"error.truncated", std::to_string(whole)});
  if (size() > most_bytes) std::erase_if(letter.headers, [](auto const& header) { return !is_ours(header.name); });
  if (size() > most_bytes) letter.key.reset();
  return original;
}

Uuid letter_id(kafka::Record const& letter) {
  auto const found = std::ranges::find(letter.headers, "error.id", &Header::name);
  return found == letter.headers.end() ? Uuid{} : parse_uuid(found->value.value_or("")).value_or(Uuid{});
}

boost::system::result<Envelope, json::DecodeError> envelope_of(kafka::Record const& record) {
  std::vector<HeaderView> headers;
  for (auto const& [name, value] : record.headers)
    headers.push_back({name, value ? std::optional<std::string_view>{*value} : std::nullopt});
  RecordView const view{record.key, record.value, headers};
  if (is_structured(view)) {
    auto parsed = parse_cloud_event(view);
    if (!parsed) return parsed.error();
    return std::move(parsed->envelope);
  }
  auto const parsed = parse_envelope(view);
  if (!parsed) return parsed.error();
  return to_envelope(*parsed);
}

namespace {

/// What earlier redrives wrote.
void read_history(DeadLetter& letter, std::string_view name, std::string_view value) {
  if (name == redrive_header) letter.redrives = number_in<std::int32_t>(value).value_or(0);
  if (name == origin_header) letter.origin = value;
}

void look_for_event(DeadLetter& letter) {
  if (auto event = envelope_of(letter.original)) {
    letter.event_key = event_key(*event);
    letter.event = std::move(*event);
  } else {
    letter.not_an_event = event.error().message();
  }
}

}  // namespace

DeadLetter read_dead_letter(rd_kafka_message_t const& message) {
  DeadLetter letter;
  letter.topic = rd_kafka_topic_name(message.rkt);
  letter.partition = message.partition;
  letter.offset = message.offset;
  letter.timestamp_ms = kafka::timestamp_ms(message);
  letter.original = {
      source_topic(letter.topic), bytes(message.key, message.key_len), bytes(message.payload, message.len), {}, {}};
  std::string id;
  std::array<std::string, 3> from;
  std::string truncated;
  std::array<std::pair<std::string_view, std::string*>, 11> const told{{{"error.id", &id},
                                                                        {"error.truncated", &truncated},
                                                                        {"error.class", &letter.error_class},
                                                                        {"error.message", &letter.message},
                                                                        {"error.attempts", &letter.attempts},
                                                                        {"error.worker", &letter.worker},
                                                                        {"error.group", &letter.group},
                                                                        {"error.first_seen", &letter.first_seen},
                                                                        {"error.topic", &from[0]},
                                                                        {"error.partition", &from[1]},
                                                                        {"error.offset", &from[2]}}};
  for_each_header(message, [&](std::string_view name, std::optional<std::string_view> value) {
    read_history(letter, name, value.value_or(""));
    if (!is_ours(name)) {
      letter.original.headers.push_back({std::string{name}, value ? std::optional<std::string>{*value} : std::nullopt});
      return;
    }
    auto const member = std::ranges::find(told, name, &std::pair<std::string_view, std::string*>::first);
    if (member != told.end()) *member->second = value.value_or("");
  });
  if (!from[0].empty()) letter.from = fmt::format("{}/{}/{}", from[0], from[1], from[2]);
  if (letter.worker.empty() && letter.group.starts_with(group_prefix))
    letter.worker = letter.group.substr(group_prefix.size());
  letter.id =
      parse_uuid(id).value_or(kafka::letter_id(letter.topic, letter.partition, letter.offset, letter.timestamp_ms));
  letter.truncated = number_in<std::int64_t>(truncated).value_or(0);
  look_for_event(letter);
  return letter;
}

void restore(DeadLetter& letter, kafka::Record original) {
  letter.original = std::move(original);
  for (auto const& [name, value] : letter.original.headers) read_history(letter, name, value.value_or(""));
  letter.event.reset();
  letter.event_key.reset();
  letter.not_an_event.clear();
  look_for_event(letter);
}

std::optional<kafka::Position> parse_origin(std::string_view text) {
  auto const second = text.rfind('/');
  auto const first = second == 0 ? text.npos : text.rfind('/', second - 1);
  if (second == text.npos || first == text.npos || first == 0) return std::nullopt;
  auto const partition = number_in<std::int32_t>(text.substr(first + 1, second - first - 1));
  auto const offset = number_in<std::int64_t>(text.substr(second + 1));
  if (!partition || !offset) return std::nullopt;
  return kafka::Position{{std::string{text.substr(0, first)}, *partition}, *offset, {}};
}

kafka::Position origin_of(DeadLetter const& letter) {
  if (auto position = parse_origin(letter.origin)) return *std::move(position);
  if (auto position = parse_origin(letter.from)) return *std::move(position);
  return {{letter.topic, letter.partition}, letter.offset, {}};
}

postgres::About about(DeadLetter const& letter) {
  auto position = origin_of(letter);
  return {subjects_of_record(letter.original), std::move(position.where.topic), position.where.partition,
          position.offset};
}

kafka::Record redriven(DeadLetter const& letter) {
  auto record = letter.original;
  std::erase_if(record.headers,
                [](Header const& header) { return header.name == redrive_header || header.name == origin_header; });
  record.headers.push_back({std::string{redrive_header}, std::to_string(letter.redrives + 1)});
  auto const origin = origin_of(letter);
  record.headers.push_back(
      {std::string{origin_header}, fmt::format("{}/{}/{}", origin.where.topic, origin.where.partition, origin.offset)});
  return record;
}

}  // namespace omnibus::engine
