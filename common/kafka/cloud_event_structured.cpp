// Events in structured mode: the value is the whole event.
#include "json/members.hpp"
#include "kafka/cloud_event_attributes.hpp"
#include "text/base64.hpp"

#include <algorithm>
#include <utility>

namespace omnibus {
namespace {

using namespace cloud_event;
using json::DecodeError;

constexpr std::string_view structured_json = "application/cloudevents+json";

/// A structured event must also fit into headers, since it is published in binary mode.
std::optional<DecodeError> check_extensions(std::vector<Header> const& extensions) {
  constexpr std::size_t most = 128;
  constexpr std::size_t most_bytes = max_header_bytes / 2;
  if (extensions.size() > most) return DecodeError{{}, "has more than " + std::to_string(most) + " extensions"};
  std::size_t bytes = 0;
  for (auto const& extension : extensions) bytes += prefix.size() + extension.name.size() + extension.value->size();
  if (bytes <= most_bytes) return std::nullopt;
  return DecodeError{{}, "has extensions larger than " + std::to_string(most_bytes) + " bytes"};
}

bool is_json_media_type(std::string_view type) {
  auto const media_type = type.substr(0, type.find_first_of("; "));
  auto const ends_with = [&](std::string_view end) {
    return media_type.size() >= end.size() &&
           starts_with_ignoring_case(media_type.substr(media_type.size() - end.size()), end);
  };
  return media_type.empty() || ends_with("/json") || ends_with("+json");
}

/// Reads the members of one event in the JSON format.
class StructuredReader {
 public:
  std::optional<DecodeError> read(json::Member const& member);
  std::optional<DecodeError> finish();
  CloudEvent take() { return std::move(event_); }

 private:
  std::optional<DecodeError> read_attribute(json::Member const& member);
  void keep_data(json::Member const& member);

  CloudEvent event_;
  std::string spec_version_;
  std::optional<std::string> data_text_;    // as JSON
  std::optional<std::string> data_string_;  // the value, if it is a string
  std::optional<std::string> data_base64_;
};

std::optional<DecodeError> StructuredReader::read(json::Member const& member) {
  using Kind = json::Member::Kind;
  if (member.kind == Kind::null) return std::nullopt;
  if (member.name == "data") {
    data_text_.emplace(member.text);
    if (member.kind == Kind::string) data_string_.emplace(member.string);
    return std::nullopt;
  }
  if (member.name == "data_base64") {
    if (member.kind == Kind::string) data_base64_ = decode_base64(member.string);
    if (!data_base64_) return DecodeError{"data_base64", "must be a string of base64"};
    return std::nullopt;
  }
  return read_attribute(member);
}

std::optional<DecodeError> StructuredReader::read_attribute(json::Member const& member) {
  using Kind = json::Member::Kind;
  if (!is_attribute_name(member.name)) return DecodeError{{}, "has an attribute whose name is not of a-z and 0-9"};
  auto const of_ours = [&]() -> std::string* {
    if (member.name == "specversion") return &spec_version_;
    if (auto const* attribute = find_attribute(member.name)) return &(event_.envelope.*(attribute->owned));
    for (auto const& attribute : other_attributes)
      if (attribute.name == member.name) return &(event_.envelope.*(attribute.owned));
    return nullptr;
  }();
  if (of_ours != nullptr) {
    if (member.kind != Kind::string) return DecodeError{std::string(member.name), "must be a string"};
    of_ours->assign(member.string);
    return std::nullopt;
  }
  if (member.kind == Kind::object || member.kind == Kind::array)
    return DecodeError{{}, "has an extension attribute that is neither string, number nor boolean"};
  auto const value = member.kind == Kind::string ? member.string : member.text;
  if (auto error = check_extension(member.name, value)) return error;
  event_.envelope.extensions.push_back({std::string(member.name), std::string(value)});
  return std::nullopt;
}

std::optional<DecodeError> StructuredReader::finish() {
  if (spec_version_.empty()) return DecodeError{"specversion", "is missing"};
  if (spec_version_ != "1.0") return DecodeError{"specversion", "must be 1.0"};
  if (data_text_ && data_base64_) return DecodeError{"data_base64", "and data exclude each other"};
  auto& envelope = event_.envelope;
  bool const text_of_another_type = data_string_ && !is_json_media_type(envelope.data_content_type);
  if (data_base64_) event_.data = std::move(*data_base64_);
  if (data_text_) event_.data = std::move(text_of_another_type ? *data_string_ : *data_text_);
  if (envelope.data_content_type.empty()) envelope.data_content_type = json_content_type;
  auto readable = view_of(envelope);
  keep_trace(readable);
  if (readable.traceparent.empty()) envelope.traceparent.clear();
  if (readable.tracestate.empty()) envelope.tracestate.clear();
  if (auto error = check_extensions(envelope.extensions)) return error;
  return validate(view_of(envelope));
}

/// A record's own trace headers have its last step, the event's attributes only its first.
void take_trace(Envelope& envelope, RecordView const& record) {
  EnvelopeView hop;
  hop.traceparent = header_of(record, "traceparent");
  hop.tracestate = header_of(record, "tracestate");
  keep_trace(hop);
  if (hop.traceparent.empty()) return;
  envelope.traceparent = hop.traceparent;
  envelope.tracestate = hop.tracestate;
}

}  // namespace

boost::system::result<CloudEvent, DecodeError> parse_structured(std::string_view text, json::Limits const& limits) {
  StructuredReader reader;
  if (auto error = json::each_member(text, limits, [&](json::Member const& member) { return reader.read(member); }))
    return *std::move(error);
  if (auto error = reader.finish()) return *std::move(error);
  return reader.take();
}

boost::system::result<CloudEvent, DecodeError> cloud_event::parse_structured_record(RecordView const& record,
                                                                                    json::Limits const& limits) {
  if (auto error = check_header_sizes(record.headers)) return *std::move(error);
  auto const type = header_of(record, content_type);
  auto const media_type = type.substr(0, type.find_first_of("; "));
  if (media_type.size() != structured_json.size() || !starts_with_ignoring_case(media_type, structured_json))
    return DecodeError{std::string(content_type), "must be application/cloudevents+json in structured mode"};
  if (!record.value) return DecodeError{"value", "is missing, which is the event in structured mode"};
  auto event = parse_structured(*record.value, limits);
  if (event) take_trace(event->envelope, record);
  return event;
}

}  // namespace omnibus
