// Events in binary mode: an attribute is a header.
#include "kafka/cloud_event_attributes.hpp"

#include <utility>

namespace omnibus {
namespace {

using namespace cloud_event;
using json::DecodeError;

bool is_known_elsewhere(std::string_view name) {
  return name == "specversion" || name == "data" || name == "data_base64" || name == "datacontenttype";
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

}  // namespace

std::vector<Header> cloud_event::extensions_of(RecordView const& record) {
  std::vector<Header> extensions;
  for (auto const& header : record.headers) {
    if (!header.value || !header.name.starts_with(prefix)) continue;
    auto const name = header.name.substr(prefix.size());
    if (!is_attribute_name(name) || find_attribute(name) != nullptr || is_known_elsewhere(name)) continue;
    extensions.push_back({std::string(name), std::string(*header.value)});
  }
  return extensions;
}

boost::system::result<EnvelopeView, DecodeError> parse_envelope(RecordView const& record) {
  if (auto error = check_header_sizes(record.headers)) return *std::move(error);
  HeaderReader reader;
  for (auto const& header : record.headers)
    if (auto error = reader.read(header)) return *std::move(error);
  if (auto error = reader.finish()) return *std::move(error);
  return reader.envelope();
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

}  // namespace omnibus
