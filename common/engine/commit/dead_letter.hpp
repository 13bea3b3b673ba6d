/// Dead letters: how they are written, read and redriven.
#pragma once

#include "engine/dispatch/delivery.hpp"
#include "handler/failure.hpp"
#include "kafka/cloud_event.hpp"
#include "kafka/consumer.hpp"
#include "kafka/record.hpp"
#include "postgres/about.hpp"
#include "uuid/uuid.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::engine {

/// The reason and the origin; written to the dead letter's headers.
struct DeadLetterReason {
  Failure const& failure;
  std::uint32_t attempts = 0;
  std::string_view worker;  ///< the worker that gave up; its inbox has the event
  std::string_view group;   ///< and its consumer group
  std::chrono::system_clock::time_point first_seen;
};

/// The record for the dead-letter topic: the original key, value and headers byte for byte, followed by text headers
/// `error.id` (a new UUID: the same letter keeps it, however often it is published), `error.class`, `error.message`
/// (cut at 512 bytes), `error.attempts`, `error.worker`, `error.group`, `error.first_seen`, `error.topic`,
/// `error.partition`, `error.offset` and `error.timestamp` (the record's, in ms). Headers with these names from an
/// earlier round are dropped, so that they do not accumulate.
kafka::Record make_dead_letter(ReceivedRecord const& received, kafka::TopicPartition const& from,
                               DeadLetterReason const& reason);

/// Shortens a letter that is too large for its topic: the value goes, then headers, then the key. `error.truncated` has
/// the size of the whole letter in bytes, as batch_bytes() counts it.
/// @return the original record, which is to be kept elsewhere; nothing for a letter that fits
std::optional<kafka::Record> shorten(kafka::Record& letter, std::int64_t most_bytes);

/// The id of a letter that make_dead_letter() made.
Uuid letter_id(kafka::Record const& letter);

/// A dead letter as read from its topic. A field is empty when its header is absent.
struct DeadLetter {
  Uuid id;  ///< `error.id`, or for a letter without one a UUID of its position
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  std::int64_t timestamp_ms = 0;

  std::string error_class;
  std::string message;
  std::string attempts;
  std::string worker;  ///< `error.worker`, else derived from the group's name
  std::string group;
  std::string first_seen;
  std::string from;    ///< topic/partition/offset of the record that failed
  std::string origin;  ///< the same of the record that failed first, if this one was redriven
  std::int64_t redrives = 0;
  std::int64_t truncated = 0;  ///< bytes of the whole letter, if pipeline.parked_records keeps the original record

  kafka::Record original;           ///< the original record, for its original topic
  std::optional<Envelope> event;    ///< absent when the original is not a CloudEvent, and then:
  std::string not_an_event;         ///< the reason
  std::optional<Uuid> event_key{};  ///< the event's key in inboxes
};

/// The envelope of the record's event, decoded as a worker decodes it.
boost::system::result<Envelope, json::DecodeError> envelope_of(kafka::Record const& record);

/// Reads a record of a dead-letter topic. Accepts any content.
DeadLetter read_dead_letter(rd_kafka_message_t const& message);

/// Gives a truncated letter its original record.
void restore(DeadLetter& letter, kafka::Record original);

/// The header of a redriven record with the position that it failed at first, `topic/partition/offset`.
inline constexpr std::string_view origin_header = "omnibus-origin";

/// Reads the header's value; nothing from anything else.
std::optional<kafka::Position> parse_origin(std::string_view text);

/// The position that the letter's event failed at first; the letter's own if it does not say.
kafka::Position origin_of(DeadLetter const& letter);

/// Whom the letter's event is about, and origin_of() it.
postgres::About about(DeadLetter const& letter);

/// The original with the headers `omnibus-redrive`, which counts its redrives, and `omnibus-origin`.
kafka::Record redriven(DeadLetter const& letter);

}  // namespace omnibus::engine
