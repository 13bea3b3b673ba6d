#include "kafka/cloud_event.hpp"

#include "kafka/cloud_event_attributes.hpp"

#include <utility>

namespace omnibus {
namespace {

using namespace cloud_event;
using json::DecodeError;

// RFC 9562 lets applications choose namespaces: 6f6d6e69-6275-5000-8000-6576656e7400 is "omnibus", "event".
constexpr Uuid event_space{
    {0x6f, 0x6d, 0x6e, 0x69, 0x62, 0x75, 0x50, 0x00, 0x80, 0x00, 0x65, 0x76, 0x65, 0x6e, 0x74, 0x00}};

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

bool is_structured(RecordView const& record) {
  return is_structured_type(header_of(record, content_type));
}

boost::system::result<CloudEvent, DecodeError> parse_cloud_event(RecordView const& record, json::Limits const& limits) {
  if (is_structured(record)) return parse_structured_record(record, limits);
  auto const view = parse_envelope(record);
  if (!view) return view.error();
  CloudEvent event{to_envelope(*view), std::string(record.value.value_or(std::string_view()))};
  event.envelope.extensions = extensions_of(record);
  return event;
}

Uuid event_key(EnvelopeView const& envelope) {
  return name_uuid(event_space, {envelope.source, nul, envelope.id});
}

Uuid event_key(Envelope const& envelope) {
  return event_key(view_of(envelope));
}

}  // namespace omnibus
