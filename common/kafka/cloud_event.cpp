#include "kafka/cloud_event.hpp"

#include "events/time.hpp"
#include "json/members.hpp"
#include "json/utf8.hpp"
#include "kafka/base64.hpp"
#include "observability/trace_context.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace omnibus {
namespace {

using json::DecodeError;

constexpr std::size_t max_headers = 256;
constexpr std::size_t max_header_bytes = std::size_t{64} * 1024;
constexpr std::size_t max_attribute = 1024;
constexpr std::string_view prefix = "ce_";
constexpr std::string_view content_type = "content-type";
constexpr std::string_view json_content_type = "application/json";
constexpr std::string_view structured_media_type = "application/cloudevents";
constexpr std::string_view structured_json = "application/cloudevents+json";

struct Attribute {
  std::string_view name;
  std::string_view EnvelopeView::*view;
  std::string Envelope::*owned;
  std::size_t most = max_attribute;
  bool required = false;
};

/// Those that stand in a `ce_` header. The data's content type and the trace have headers of their own.
constexpr std::array attributes{
    Attribute{"id", &EnvelopeView::id, &Envelope::id, 512, true},
    Attribute{"source", &EnvelopeView::source, &Envelope::source, 512, true},
    Attribute{"type", &EnvelopeView::type, &Envelope::type, 512, true},
    Attribute{"time", &EnvelopeView::time, &Envelope::time},
    Attribute{"subject", &EnvelopeView::subject, &Envelope::subject},
    Attribute{"dataschema", &EnvelopeView::data_schema, &Envelope::data_schema},
    Attribute{"correlationid", &EnvelopeView::correlation_id, &Envelope::correlation_id},
    Attribute{"causationid", &EnvelopeView::causation_id, &Envelope::causation_id},
};

/// Those that stand elsewhere, or differently in each mode.
constexpr std::array other_attributes{
    Attribute{"datacontenttype", &EnvelopeView::data_content_type, &Envelope::data_content_type},
    Attribute{"traceparent", &EnvelopeView::traceparent, &Envelope::traceparent},
    Attribute{"tracestate", &EnvelopeView::tracestate, &Envelope::tracestate},
};

/// Null when it is none of them. The one after the last one found is tried first, as producers mostly keep to one
/// order.
Attribute const* find_attribute(std::string_view name, std::size_t expected = 0) {
  if (expected < attributes.size() && attributes[expected].name == name) return &attributes[expected];
  for (auto const& attribute : attributes)
    if (attribute.name == name) return &attribute;
  return nullptr;
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

bool starts_with_ignoring_case(std::string_view text, std::string_view start) {
  return text.size() >= start.size() &&
         std::equal(start.begin(), start.end(), text.begin(), [](char a, char b) { return a == lower(b); });
}

bool is_structured_type(std::string_view type) {
  return starts_with_ignoring_case(type, structured_media_type);
}

bool is_attribute_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 &&
         std::all_of(name.begin(), name.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
}

bool has_c1_control(std::string_view text) {
  for (std::size_t i = 0; i + 1 < text.size(); ++i)
    if (text[i] == '\xC2' && static_cast<unsigned char>(text[i + 1]) < 0xA0) return true;
  return false;
}

constexpr std::uint64_t in_each_byte(std::uint8_t byte) {
  return 0x0101010101010101ULL * byte;
}

/// Has the top bit of some byte set when one of eight bytes is an ASCII control character, DEL included.
std::uint64_t controls(std::uint64_t eight) {
  auto const below_space = (eight - in_each_byte(0x20)) & ~eight;
  auto const differs_from_del = eight ^ in_each_byte(0x7f);
  auto const is_del = (differs_from_del - in_each_byte(1)) & ~differs_from_del;
  return below_space | is_del;
}

/// What CloudEvents asks of a string: UTF-8 without control characters. Eight bytes at a time, for every event's
/// headers come by here.
bool is_attribute_text(std::string_view text) {
  std::uint64_t control = 0;
  std::uint64_t beyond_ascii = 0;
  auto const look = [&](char const* at, std::size_t size) {
    std::uint64_t eight = in_each_byte(' ');
    std::memcpy(&eight, at, size);
    control |= controls(eight);
    beyond_ascii |= eight;
  };
  std::size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) look(text.data() + at, 8);
  if (at < text.size() && text.size() >= 8) look(text.data() + text.size() - 8, 8);  // some of it for the second time
  if (at == 0 && !text.empty()) look(text.data(), text.size());
  if ((control & in_each_byte(0x80)) != 0) return false;
  return (beyond_ascii & in_each_byte(0x80)) == 0 || (json::is_utf8(text) && !has_c1_control(text));
}

std::optional<DecodeError> check(std::string_view name, std::string_view value, std::size_t most, bool required) {
  if (value.empty()) return required ? std::optional(DecodeError{std::string(name), "is missing"}) : std::nullopt;
  if (value.size() > most) return DecodeError{std::string(name), "is longer than " + std::to_string(most) + " bytes"};
  if (!is_attribute_text(value)) return DecodeError{std::string(name), "must be UTF-8 without control characters"};
  return std::nullopt;
}

std::optional<DecodeError> check_extension(std::string_view name, std::string_view value) {
  if (!is_attribute_name(name)) return std::nullopt;  // no attribute, so none of ours to judge
  return check(name, value, max_attribute, false);
}

bool is_known_elsewhere(std::string_view name) {
  return name == "specversion" || name == "data" || name == "data_base64" || name == "datacontenttype";
}

std::string_view header_of(RecordView const& record, std::string_view name) {
  for (auto const& header : record.headers)
    if (header.name == name) return header.value.value_or(std::string_view());
  return {};
}

/// A trace that cannot be read must not cost the event: W3C has it begun anew.
void keep_trace(EnvelopeView& envelope) {
  if (!is_attribute_text(envelope.traceparent) || envelope.traceparent.size() > max_attribute)
    envelope.traceparent = {};
  bool const state_is_kept = !envelope.traceparent.empty() && envelope.tracestate.size() <= max_attribute &&
                             is_attribute_text(envelope.tracestate);
  if (!state_is_kept) envelope.tracestate = {};
}

std::optional<DecodeError> check_header_sizes(std::span<HeaderView const> headers) {
  if (headers.size() > max_headers) return DecodeError{"headers", "are more than " + std::to_string(max_headers)};
  std::size_t bytes = 0;
  for (auto const& header : headers) bytes += header.name.size() + (header.value ? header.value->size() : 0);
  if (bytes <= max_header_bytes) return std::nullopt;
  return DecodeError{"headers", "are larger than " + std::to_string(max_header_bytes) + " bytes"};
}

/// What came structured must fit into headers, too, for it goes on in binary mode.
std::optional<DecodeError> check_extensions(std::vector<Header> const& extensions) {
  constexpr std::size_t most = 128;
  constexpr std::size_t most_bytes = max_header_bytes / 2;
  if (extensions.size() > most) return DecodeError{{}, "has more than " + std::to_string(most) + " extensions"};
  std::size_t bytes = 0;
  for (auto const& extension : extensions) bytes += prefix.size() + extension.name.size() + extension.value->size();
  if (bytes <= most_bytes) return std::nullopt;
  return DecodeError{{}, "has extensions larger than " + std::to_string(most_bytes) + " bytes"};
}

/// Reads the headers of one record in binary mode.
class HeaderReader {
 public:
  std::optional<DecodeError> read(HeaderView const& header);
  std::optional<DecodeError> finish();
  EnvelopeView const& envelope() const { return envelope_; }

 private:
  std::optional<DecodeError> set(std::string_view& member, std::string_view name, std::string_view value);

  EnvelopeView envelope_;
  std::size_t expected_ = 0;
  std::string_view spec_version_;
  std::string_view starting_traceparent_;
  std::string_view starting_tracestate_;
};

std::optional<DecodeError> HeaderReader::set(std::string_view& member, std::string_view name, std::string_view value) {
  if (!member.empty()) return DecodeError{std::string(name), "appears twice"};
  member = value;
  return std::nullopt;
}

std::optional<DecodeError> HeaderReader::read(HeaderView const& header) {
  if (!header.value) return std::nullopt;
  auto const value = *header.value;
  if (header.name == content_type) return set(envelope_.data_content_type, content_type, value);
  if (header.name == "traceparent") {
    envelope_.traceparent = value;
    return std::nullopt;
  }
  if (header.name == "tracestate") {
    envelope_.tracestate = value;
    return std::nullopt;
  }
  if (!header.name.starts_with(prefix)) return std::nullopt;
  auto const name = header.name.substr(prefix.size());
  if (auto const* attribute = find_attribute(name, expected_)) {
    expected_ = static_cast<std::size_t>(attribute - attributes.data()) + 1;
    return set(envelope_.*(attribute->view), header.name, value);
  }
  if (name == "specversion") return set(spec_version_, header.name, value);
  if (name == "traceparent") starting_traceparent_ = value;
  if (name == "tracestate") starting_tracestate_ = value;
  auto error = check_extension(name, value);
  if (error) error->field = header.name;
  return error;
}

std::optional<DecodeError> HeaderReader::finish() {
  if (spec_version_.empty()) return DecodeError{"ce_specversion", "is missing"};
  if (spec_version_ != "1.0") return DecodeError{"ce_specversion", "must be 1.0"};
  if (envelope_.traceparent.empty()) {
    envelope_.traceparent = starting_traceparent_;
    envelope_.tracestate = starting_tracestate_;
  }
  keep_trace(envelope_);
  auto error = validate(envelope_);
  if (error) error->field = error->field == "datacontenttype" ? content_type : std::string(prefix) + error->field;
  return error;
}

bool is_json_media_type(std::string_view type) {
  auto const media_type = type.substr(0, type.find_first_of("; "));
  std::string lowered(media_type);
  std::transform(lowered.begin(), lowered.end(), lowered.begin(), lower);
  return lowered.empty() || lowered.ends_with("/json") || lowered.ends_with("+json");
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
  std::optional<std::string> data_string_;  // what it says, where it is a string
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
    if (member.kind == Kind::string) data_base64_ = kafka::decode_base64(member.string);
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

/// A record's own trace headers tell of its last step, the event's attributes only of its first.
void take_trace(Envelope& envelope, RecordView const& record) {
  EnvelopeView hop;
  hop.traceparent = header_of(record, "traceparent");
  hop.tracestate = header_of(record, "tracestate");
  keep_trace(hop);
  if (hop.traceparent.empty()) return;
  envelope.traceparent = hop.traceparent;
  envelope.tracestate = hop.tracestate;
}

std::vector<Header> extensions_of(RecordView const& record) {
  std::vector<Header> extensions;
  for (auto const& header : record.headers) {
    if (!header.value || !header.name.starts_with(prefix)) continue;
    auto const name = header.name.substr(prefix.size());
    if (!is_attribute_name(name) || find_attribute(name) != nullptr || is_known_elsewhere(name)) continue;
    extensions.push_back({std::string(name), std::string(*header.value)});
  }
  return extensions;
}

/// The trace one step on; a new one where `traceparent` is none.
std::string next_traceparent(std::string_view traceparent) {
  auto const parent = TraceContext::parse(traceparent);
  return to_string(parent ? parent->child() : TraceContext::begin());
}

// RFC 9562 leaves name spaces to those who name: 6f6d6e69-6275-5000-8000-6576656e7400 is "omnibus", "event".
constexpr Uuid event_space{
    {0x6f, 0x6d, 0x6e, 0x69, 0x62, 0x75, 0x50, 0x00, 0x80, 0x00, 0x65, 0x76, 0x65, 0x6e, 0x74, 0x00}};

// No attribute may hold one, so what is joined by it can be joined in one way only.
constexpr std::string_view nul{"\0", 1};

}  // namespace

EnvelopeView view_of(Envelope const& envelope) {
  EnvelopeView view;
  for (auto const& attribute : attributes) view.*(attribute.view) = envelope.*(attribute.owned);
  for (auto const& attribute : other_attributes) view.*(attribute.view) = envelope.*(attribute.owned);
  return view;
}

Envelope to_envelope(EnvelopeView const& view) {
  Envelope envelope;
  for (auto const& attribute : attributes) (envelope.*(attribute.owned)).assign(view.*(attribute.view));
  for (auto const& attribute : other_attributes) (envelope.*(attribute.owned)).assign(view.*(attribute.view));
  return envelope;
}

std::optional<DecodeError> validate(EnvelopeView const& envelope) {
  for (auto const& attribute : attributes)
    if (auto error = check(attribute.name, envelope.*(attribute.view), attribute.most, attribute.required))
      return error;
  for (auto const& attribute : other_attributes)
    if (auto error = check(attribute.name, envelope.*(attribute.view), attribute.most, attribute.required))
      return error;
  if (is_structured_type(envelope.data_content_type))
    return DecodeError{"datacontenttype", "must not be that of an event in structured mode"};
  return std::nullopt;
}

bool is_structured(RecordView const& record) {
  return is_structured_type(header_of(record, content_type));
}

boost::system::result<EnvelopeView, DecodeError> parse_envelope(RecordView const& record) {
  if (auto error = check_header_sizes(record.headers)) return *std::move(error);
  HeaderReader reader;
  for (auto const& header : record.headers)
    if (auto error = reader.read(header)) return *std::move(error);
  if (auto error = reader.finish()) return *std::move(error);
  return reader.envelope();
}

boost::system::result<CloudEvent, DecodeError> parse_structured(std::string_view text, json::Limits const& limits) {
  StructuredReader reader;
  if (auto error = json::each_member(text, limits, [&](json::Member const& member) { return reader.read(member); }))
    return *std::move(error);
  if (auto error = reader.finish()) return *std::move(error);
  return reader.take();
}

boost::system::result<CloudEvent, DecodeError> parse_cloud_event(RecordView const& record, json::Limits const& limits) {
  if (!is_structured(record)) {
    auto const view = parse_envelope(record);
    if (!view) return view.error();
    CloudEvent event{to_envelope(*view), std::string(record.value.value_or(std::string_view()))};
    event.envelope.extensions = extensions_of(record);
    return event;
  }
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

Record to_binary_record(Envelope const& envelope, std::string_view data, std::string topic, std::string key) {
  Record record;
  record.topic = std::move(topic);
  record.key = std::move(key);
  record.value.emplace(data);
  auto& headers = record.headers;
  headers.reserve(attributes.size() + other_attributes.size() + 1 + envelope.extensions.size());
  headers.push_back({"ce_specversion", "1.0"});
  for (auto const& attribute : attributes) {
    auto const& value = envelope.*(attribute.owned);
    if (!value.empty()) headers.push_back({std::string(prefix).append(attribute.name), value});
  }
  for (auto const& extension : envelope.extensions)
    headers.push_back({std::string(prefix).append(extension.name), extension.value});
  headers.push_back({std::string(content_type),
                     envelope.data_content_type.empty() ? std::string(json_content_type) : envelope.data_content_type});
  if (!envelope.traceparent.empty()) headers.push_back({"traceparent", envelope.traceparent});
  if (!envelope.tracestate.empty()) headers.push_back({"tracestate", envelope.tracestate});
  return record;
}

Uuid event_key(EnvelopeView const& envelope) {
  return name_uuid(event_space, {envelope.source, nul, envelope.id});
}

Uuid event_key(Envelope const& envelope) {
  return event_key(view_of(envelope));
}

std::string data_schema_of(std::string_view type) {
  constexpr std::string_view ours = "omnibus.";
  auto name = type.starts_with(ours) ? type.substr(ours.size()) : type;
  auto const dot = name.rfind('.');
  if (dot == std::string_view::npos) return fmt::format("urn:omnibus:schema:{}", name);
  return fmt::format("urn:omnibus:schema:{}:{}", name.substr(0, dot), name.substr(dot + 1));
}

Envelope originate(std::string_view source, std::string_view type, std::string_view traceparent,
                   std::chrono::system_clock::time_point now) {
  Envelope envelope;
  envelope.id = to_string(random_uuid());
  envelope.source = source;
  envelope.type = type;
  envelope.time = format_time_ms(unix_ms(now), Fraction::always);
  envelope.data_content_type = json_content_type;
  envelope.data_schema = data_schema_of(type);
  envelope.traceparent = next_traceparent(traceparent);
  return envelope;
}

Envelope derive(Envelope const& parent, std::string_view worker, int ordinal, std::string_view type,
                std::chrono::system_clock::time_point now) {
  Envelope envelope;
  envelope.id = to_string(name_uuid(event_key(parent), {worker, nul, std::to_string(ordinal)}));
  envelope.source = fmt::format("/omnibus/{}", worker);
  envelope.type = type;
  envelope.time = format_time_ms(unix_ms(now), Fraction::always);
  envelope.data_content_type = json_content_type;
  envelope.data_schema = data_schema_of(type);
  envelope.correlation_id = parent.correlation_id.empty() ? parent.id : parent.correlation_id;
  envelope.causation_id = parent.id;
  envelope.traceparent = next_traceparent(parent.traceparent);
  if (TraceContext::parse(parent.traceparent)) envelope.tracestate = parent.tracestate;
  return envelope;
}

}  // namespace omnibus
