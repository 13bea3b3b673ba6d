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

/// One header of a record, as a view.
struct HeaderView {
  std::string_view name;
  std::optional<std::string_view> value;
};

/// A record as views, such as of a librdkafka message.
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
  std::string_view sealed{};  ///< how the personal fields of the data are sealed; empty: they are not
  std::string_view traceparent{};
  std::string_view tracestate{};
};

/// The same, owned, and with the extension attributes that have no member (named without "ce_").
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
  std::string sealed{};
  std::string traceparent{};
  std::string tracestate{};
  std::vector<Header> extensions{};

  bool operator==(Envelope const&) const = default;
};

/// An event with its data: JSON text for our own, empty without data.
struct CloudEvent {
  Envelope envelope;
  std::string data;
};

EnvelopeView view_of(Envelope const& envelope);
Envelope to_envelope(EnvelopeView const& view);

/// Describes the first error in an envelope, or nothing: `id`, `source` and `type` are required, each at most
/// 512 bytes, the others at most 1024; all must be UTF-8 without control characters.
std::optional<json::DecodeError> validate(EnvelopeView const& envelope);

/// Whether the record's content-type says that the value is the whole event with its attributes.
bool is_structured(RecordView const& record);

/// The attributes of a record in binary mode; allocates nothing unless it rejects. A `traceparent` that is not readable
/// text is dropped, not rejected. Rejects, besides what `validate` rejects: another specversion than 1.0, an attribute
/// given twice, more than 256 headers or 64 KiB of them. For records of which `is_structured` is false.
boost::system::result<EnvelopeView, json::DecodeError> parse_envelope(RecordView const& record);

/// An event in structured mode in JSON format, as in a record's value or a request's body; `data_base64` is
/// decoded.
boost::system::result<CloudEvent, json::DecodeError> parse_structured(std::string_view text,
                                                                      json::Limits const& limits = {});

/// The record's event, in either mode, as a full copy. No copy is needed when `parse_envelope` and the record's value
/// are enough.
boost::system::result<CloudEvent, json::DecodeError> parse_cloud_event(RecordView const& record,
                                                                       json::Limits const& limits = {});

/// A record of an event in binary mode. Extensions and the envelope's `traceparent` become headers.
Record to_binary_record(Envelope const& envelope, std::string_view data, std::string topic, std::string key);

/// An event's identity: equal exactly when both source and id are equal.
Uuid event_key(EnvelopeView const& envelope);
Uuid event_key(Envelope const& envelope);

/// The dataschema of one of our event types: `urn:omnibus:schema:chat.reply.delta:v1` of `omnibus.chat.reply.delta.v1`.
std::string data_schema_of(std::string_view type);

/// The envelope of an event without a parent event: a random id, and the trace of `traceparent` continued, or a
/// new trace if that is invalid.
Envelope originate(std::string_view source, std::string_view type, std::string_view traceparent = {},
                   std::chrono::system_clock::time_point now = std::chrono::system_clock::now());

/// The envelope of an event that handling `parent` caused, the `ordinal`th one of this worker. Its id depends on these
/// three only, so every worker process that handles the parent publishes the same event. Its source is
/// "/omnibus/<worker>"; its trace continues the parent's, or is new if the parent has none.
Envelope derive(Envelope const& parent, std::string_view worker, int ordinal, std::string_view type,
                std::chrono::system_clock::time_point now = std::chrono::system_clock::now());

}  // namespace omnibus
