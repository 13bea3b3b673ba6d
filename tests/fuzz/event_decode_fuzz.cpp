/// Event decoding under libFuzzer: any bytes as an event's data, as a structured CloudEvent and as a binary one.
/// Built and run by tests/fuzz/run.
///
/// An input may begin with lines `name:value`, which become the record's headers, up to an empty line.
#include "events/chat.hpp"
#include "events/llm.hpp"
#include "json/decode.hpp"
#include "json/encode.hpp"
#include "kafka/cloud_event.hpp"
#include "tests/fuzz/must.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

using namespace omnibus;

namespace {

/// One member of every kind, for what the events do not use.
struct Nested {
  std::int32_t number = 0;
  std::vector<std::optional<double>> numbers;
};
BOOST_DESCRIBE_STRUCT(Nested, (), (number, numbers))

struct Everything {
  std::optional<json::Raw> raw;
  std::optional<Nested> nested;
  std::optional<std::vector<Nested>> list;
  std::optional<bool> text;
};
BOOST_DESCRIBE_STRUCT(Everything, (), (raw, nested, list, text))

/// Another's parser, which knows nothing of our further refusals (and may dislike numbers that overflow).
bool is_json(std::string_view text) {
  boost::json::error_code error;
  boost::json::parse_options options;
  options.max_depth = 1'000;
  boost::json::parse({text.data(), text.size()}, error, {}, options);
  return !error || error == boost::json::error::exponent_overflow;
}

template <class Event>
void decode_as(std::string_view text) {
  auto const event = json::decode<Event>(text);
  must(!event || is_json(text), "what is taken is JSON");
  if (!event) {
    must(!event.error().reason.empty(), "a refusal has a reason");
    return;
  }
  auto const written = json::encode(*event);
  json::Limits limits;
  limits.bytes = written.size();  // escapes may make it longer than what it was read from
  auto const again = json::decode<Event>(written, limits);
  must(again.has_value() && json::encode(*again) == written,
       "what was decoded is encoded so that it decodes to the same");
}

RecordView split(std::string_view input, std::vector<HeaderView>& headers) {
  while (true) {
    auto const end = input.find('\n');
    if (end == std::string_view::npos) return {std::nullopt, input, headers};
    auto const line = input.substr(0, end);
    input.remove_prefix(end + 1);
    if (line.empty()) return {std::nullopt, input, headers};
    auto const colon = line.find(':');
    auto const value = colon == std::string_view::npos ? std::nullopt : std::optional(line.substr(colon + 1));
    headers.push_back({line.substr(0, colon), value});
  }
}

void read_back(CloudEvent const& event) {
  auto const record = to_binary_record(event.envelope, event.data, "topic", "key");
  std::vector<HeaderView> headers;
  for (auto const& header : record.headers) headers.push_back({header.name, header.value});
  auto const again = parse_cloud_event({record.key, record.value, headers});
  must(again.has_value(), "an event that was taken is written so that it is taken");
  must(again->envelope.id == event.envelope.id && again->envelope.source == event.envelope.source &&
           event_key(again->envelope) == event_key(event.envelope) && again->data == event.data,
       "an event written is the same event");
  must(derive(event.envelope, "chat", 0, "t").id == derive(again->envelope, "chat", 0, "t").id,
       "what an event causes has one id");
}

void read_record(std::string_view input) {
  std::vector<HeaderView> headers;
  auto const record = split(input, headers);
  auto const event = parse_cloud_event(record);
  if (!is_structured(record)) {
    auto const view = parse_envelope(record);
    must(view.has_value() == event.has_value(), "both ways to read a binary record agree");
    must(!view || view->id == event->envelope.id, "both ways to read a binary record read the same");
  }
  if (event) read_back(*event);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  std::string_view const input(reinterpret_cast<char const*>(bytes), size);
  decode_as<ChatMessageReceived>(input);
  decode_as<ChatReplyDelta>(input);
  decode_as<LlmCallFailed>(input);
  decode_as<Everything>(input);
  if (auto const message = json::decode<ChatMessageReceived>(input)) (void)validate(*message);
  if (auto const event = parse_structured(input)) {
    must(is_json(input), "what is taken as an event is JSON");
    read_back(*event);
  }
  read_record(input);
  return 0;
}
