/// What is parked when an event can never be handled, and how it is read and sent again.
#pragma once

#include "engine/dispatch/delivery.hpp"
#include "handler/failure.hpp"
#include "kafka/cloud_event.hpp"
#include "kafka/record.hpp"
#include "uuid/uuid.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::engine {

/// Why and where from; goes into the dead letter's headers.
struct DeadLetterReason {
  Failure const& failure;
  std::uint32_t attempts = 0;
  std::string_view worker;  ///< who gave up: whose inbox has the event
  std::string_view group;   ///< and its consumer group
  std::chrono::system_clock::time_point first_seen;
};

/// The record for the dead-letter topic: the original key, value and headers byte for byte, followed by text headers
/// `error.id` (a new UUID: the same letter keeps it, however often it is published), `error.class`, `error.message`
/// (cut at 512 bytes), `error.attempts`, `error.worker`, `error.group`, `error.first_seen`, `error.topic`,
/// `error.partition`, `error.offset` and `error.timestamp` (the record's, in ms). Headers of those names that an
/// earlier round left are dropped, so that a record that comes back does not collect them.
kafka::Record make_dead_letter(ReceivedRecord const& received, kafka::TopicPartition const& from,
                               DeadLetterReason const& reason);

/// A letter as it lies in its topic. What its headers do not tell is empty.
struct DeadLetter {
  Uuid id;  ///< `error.id`, or for a letter without one a UUID of its place
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  std::int64_t timestamp_ms = 0;

  std::string error_class;
  std::string message;
  std::string attempts;
  std::string worker;  ///< `error.worker`, else what the group's name tells
  std::string group;
  std::string first_seen;
  std::string from;  ///< topic/partition/offset of the record that failed
  std::int64_t redrives = 0;

  kafka::Record original;           ///< as it was, for the topic it came from
  std::optional<Envelope> event;    ///< absent where the original is no CloudEvent, and then:
  std::string not_an_event;         ///< what is wrong with it
  std::optional<Uuid> event_key{};  ///< the event's name in inboxes
};

/// The attributes of the event a record is, read as a worker reads them.
boost::system::result<Envelope, json::DecodeError> envelope_of(kafka::Record const& record);

/// Reads a record of a dead-letter topic. Anything may be in it: nothing is refused.
DeadLetter read_dead_letter(rd_kafka_message_t const& message);

/// The original with the header `omnibus-redrive`, which counts how often it was sent again.
kafka::Record redriven(DeadLetter const& letter);

}  // namespace omnibus::engine
