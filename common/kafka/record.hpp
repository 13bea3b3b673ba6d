/// What is written to a topic: bytes, as Kafka knows them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace omnibus::kafka {

/// One record header. Kafka allows a name to repeat and a value to be absent, which is not the same as empty.
struct Header {
  std::string name;
  std::optional<std::string> value;

  bool operator==(Header const&) const = default;
};

/// One record on its way to a topic. An absent value is a tombstone; without a partition the key decides, as it does
/// for every Java client (murmur2), and a record without key goes anywhere.
struct Record {
  std::string topic;
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<Header> headers;
  std::optional<std::int32_t> partition;

  bool operator==(Record const&) const = default;
};

/// Bytes of a batch that holds this record alone, not compressed, in Kafka's message format v2: what
/// `max.message.bytes` of its topic limits.
std::size_t batch_bytes(Record const& record);

}  // namespace omnibus::kafka

namespace omnibus {
using kafka::Header;
using kafka::Record;
}  // namespace omnibus
