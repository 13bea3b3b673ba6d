/// CloudEvents 1.0 over Kafka: binary and structured mode in, binary mode out.
#pragma once

#include "json/error.hpp"
#include "json/limits.hpp"
#include "kafka/record.hpp"
#include "uuid/uuid.hpp"

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/system/result.hpp>

namespace omnibus {

/// One header of a record that somebody else holds.
struct HeaderView {
  std::string_view name;
  std::optional<std::string_view> value;
};

/// A record that somebody else holds, as a librdkafka message.
struct RecordView {
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  std::span<HeaderView const> headers;
};

/// The attributes of an event, as views into its record's headers. Absent ones are empty.
struct EnvelopeView {
  std::string_view id{};
  std::string_view source{};
  std::string_view type{};
  std::string_view subject{};
  std::string_view time{};
  std::string_view data_content_type{};
  std::string_view data_schema{};
  std::string_view correlation_id{};
  std::string_view causation_id{};
  std::string_view traceparent{};
  std::string_view tracestate{};
};

/// The same, owned, and with the extension attributes we have no member for (named without "ce_").
struct Envelope {
  std::string id{};
  std::string source{};
  std::string type{};
  std::string subject{};
  std::string time{};
  std::string data_content_type{};
  std::string data_schema{};
  std::string correlation_id{};
  std::string causation_id{};
  std::string traceparent{};
  std::string tracestate{};
  std::vector<Header> extensions{};

  bool operator==(Envelope const&) const = default;
};

/// An event with what it carries: JSON text for our own, empty when it carries nothing.
struct CloudEvent {
  Envelope envelope;
  std::string data;
};

EnvelopeView view_of(Envelope const& envelope);
Envelope to_envelope(EnvelopeView const& view);

/// What is wrong with an envelope, first thing first, or nothing: `id`, `source` and `type` must be there and none
/// longer than 512 bytes, the others no longer than 1024; all must be UTF-8 without control characters.
std::optional<json::DecodeError> validate(EnvelopeView const& envelope);

/// Whether the record's content-type says that its value is the whole event, attributes included.
bool is_structured(RecordView const& record);

/// The attributes of a record in binary mode; allocates nothing unless it refuses. A `traceparent` that is no readable
/// text is dropped, not refused. Refused besides what `validate` refuses: another specversion than 1.0, an attribute
/// given twice, more than 256 headers or 64 KiB of them. For records of which `is_structured` is false.
boost::system::result<EnvelopeView, json::DecodeError> parse_envelope(RecordView const& record);

/// An event in structured mode in its JSON format, as in a record's value or a request's body; `data_base64` is
/// decoded.
boost::system::result<CloudEvent, json::DecodeError> parse_structured(std::string_view text,
                                                                      json::Limits const& limits = {});

/// The event a record is, in either mode, with a copy of everything. A record of which `parse_envelope` and its value
/// tell enough needs no copy.
boost::system::result<CloudEvent, json::DecodeError> parse_cloud_event(RecordView const& record,
                                                                       json::Limits const& limits = {});

/// A record of an event in binary mode. Extensions and a `traceparent` of the envelope become headers of it.
Record to_binary_record(Envelope const& envelope, std::string_view data, std::string topic, std::string key);

/// What makes an event the same event wherever it is met again: the same exactly when both source and id are.
Uuid event_key(EnvelopeView const& envelope);
Uuid event_key(Envelope const& envelope);

/// The dataschema of one of our event types: `urn:omnibus:schema:chat.reply.delta:v1` of `omnibus.chat.reply.delta.v1`.
std::string data_schema_of(std::string_view type);

/// The envelope of an event that nothing of ours caused: a random id, and the trace of `traceparent` continued, or a
/// new one begun where that is not one.
Envelope originate(std::string_view source, std::string_view type, std::string_view traceparent = {},
                   std::chrono::system_clock::time_point now = std::chrono::system_clock::now());

/// The envelope of an event that handling `parent` caused, the `ordinal`th one of this worker. Its id depends on these
/// three only, so whoever handles the parent again publishes the same event. Its source is "/omnibus/<worker>", its
/// trace the parent's, one step on, or a new one where the parent has none.
Envelope derive(Envelope const& parent, std::string_view worker, int ordinal, std::string_view type,
                std::chrono::system_clock::time_point now = std::chrono::system_clock::now());

}  // namespace omnibus
