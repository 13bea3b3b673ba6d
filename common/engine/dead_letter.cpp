#include "engine/dead_letter.hpp"

#include "engine/record_headers.hpp"
#include "kafka/topics.hpp"

#include <algorithm>
#include <array>
#include <string>

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace omnibus::engine {
namespace {

constexpr std::size_t longest_message = 512;
constexpr std::array<std::string_view, 9> ours{"error.class",     "error.message",    "error.attempts",
                                               "error.group",     "error.first_seen", "error.topic",
                                               "error.partition", "error.offset",     "error.timestamp"};

std::string rfc3339(std::chrono::system_clock::time_point when) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(when)));
}

std::optional<std::string> bytes(void const* data, std::size_t size) {
  if (data == nullptr) return std::nullopt;
  return std::string{static_cast<char const*>(data), size};
}

}  // namespace

kafka::Record make_dead_letter(rd_kafka_message_t const& message, DeadLetterReason const& reason) {
  std::string const topic = rd_kafka_topic_name(message.rkt);
  kafka::Record record{.topic = kafka::dead_letter_topic(topic),
                       .key = bytes(message.key, message.key_len),
                       .value = bytes(message.payload, message.len),
                       .headers = {},
                       .partition = {}};
  for_each_header(message, [&](std::string_view name, std::optional<std::string_view> value) {
    if (std::ranges::find(ours, name) != ours.end()) return;
    record.headers.push_back({std::string{name}, value ? std::optional<std::string>{*value} : std::nullopt});
  });
  auto const add = [&](std::string_view name, std::string value) {
    record.headers.push_back({std::string{name}, std::move(value)});
  };
  rd_kafka_timestamp_type_t type{};
  add("error.class", reason.failure.error_class());
  add("error.message", std::string{std::string_view{reason.failure.what()}.substr(0, longest_message)});
  add("error.attempts", std::to_string(reason.attempts));
  add("error.group", std::string{reason.group});
  add("error.first_seen", rfc3339(reason.first_seen));
  add("error.topic", topic);
  add("error.partition", std::to_string(message.partition));
  add("error.offset", std::to_string(message.offset));
  add("error.timestamp", std::to_string(rd_kafka_message_timestamp(&message, &type)));
  return record;
}

}  // namespace omnibus::engine
