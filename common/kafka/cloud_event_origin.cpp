// The envelopes of our own events.
#include "kafka/cloud_event_attributes.hpp"
#include "observability/trace_context.hpp"
#include "time/time.hpp"

#include <fmt/format.h>

namespace omnibus {
namespace {

using namespace cloud_event;

/// The trace's next step; a new trace if `traceparent` is invalid.
std::string next_traceparent(std::string_view traceparent) {
  auto const parent = TraceContext::parse(traceparent);
  return to_string(parent ? parent->child() : TraceContext::begin());
}

}  // namespace

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
