/// The attributes of CloudEvents and their rules, for reading and writing. For the
/// implementation of cloud_event.hpp only.
#pragma once

#include "kafka/cloud_event.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace omnibus::cloud_event {

inline constexpr std::size_t max_header_bytes = std::size_t{64} * 1024;
inline constexpr std::size_t max_attribute = 1024;
inline constexpr std::string_view prefix = "ce_";
inline constexpr std::string_view content_type = "content-type";
inline constexpr std::string_view json_content_type = "application/json";

struct Attribute {
  std::string_view name;
  std::string_view EnvelopeView::*view;
  std::string Envelope::*owned;
  std::size_t most = max_attribute;
  bool required = false;
};

/// Those in a `ce_` header. The data's content type and the trace have headers of their own names.
inline constexpr std::array attributes{
    Attribute{"id", &EnvelopeView::id, &Envelope::id, 512, true},
    Attribute{"source", &EnvelopeView::source, &Envelope::source, 512, true},
    Attribute{"type", &EnvelopeView::type, &Envelope::type, 512, true},
    Attribute{"time", &EnvelopeView::time, &Envelope::time},
    Attribute{"subject", &EnvelopeView::subject, &Envelope::subject},
    Attribute{"dataschema", &EnvelopeView::data_schema, &Envelope::data_schema},
    Attribute{"correlationid", &EnvelopeView::correlation_id, &Envelope::correlation_id},
    Attribute{"causationid", &EnvelopeView::causation_id, &Envelope::causation_id},
    Attribute{"sealed", &EnvelopeView::sealed, &Envelope::sealed},
};

/// Those in another place, or in a different place in each mode.
inline constexpr std::array other_attributes{
    Attribute{"datacontenttype", &EnvelopeView::data_content_type, &Envelope::data_content_type},
    Attribute{"traceparent", &EnvelopeView::traceparent, &Envelope::traceparent},
    Attribute{"tracestate", &EnvelopeView::tracestate, &Envelope::tracestate},
};

/// Null when it is none of them. Tries the one after the last found first, as producers mostly keep one
/// order.
inline Attribute const* find_attribute(std::string_view name, std::size_t expected = 0) {
  if (expected < attributes.size() && attributes[expected].name == name) return &attributes[expected];
  for (auto const& attribute : attributes)
    if (attribute.name == name) return &attribute;
  return nullptr;
}

/// No attribute may contain one, so values joined by it are unambiguous.
inline constexpr std::string_view nul{"\0", 1};

/// The value of the first header of that name; empty without one.
inline std::string_view header_of(RecordView const& record, std::string_view name) {
  for (auto const& header : record.headers)
    if (header.name == name) return header.value.value_or(std::string_view());
  return {};
}

/// Whether `text` begins with `start`, which is lower case.
bool starts_with_ignoring_case(std::string_view text, std::string_view start);
bool is_attribute_name(std::string_view name);
/// Whether that content type says that the event is in structured mode.
bool is_structured_type(std::string_view type);

/// Describes the error in an extension attribute. Names that are not attribute names are ignored.
std::optional<json::DecodeError> check_extension(std::string_view name, std::string_view value);
std::optional<json::DecodeError> check_header_sizes(std::span<HeaderView const> headers);
/// Drops an unreadable trace: it must not fail the event, and W3C starts a new trace then.
void keep_trace(EnvelopeView& envelope);

/// The extension attributes of a record in binary mode.
std::vector<Header> extensions_of(RecordView const& record);
/// The event of a record in structured mode.
boost::system::result<CloudEvent, json::DecodeError> parse_structured_record(RecordView const& record,
                                                                             json::Limits const& limits);

}  // namespace omnibus::cloud_event
