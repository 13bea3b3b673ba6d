/// A record as bytes, for writing to a topic.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace omnibus::kafka {

/// One record header. Kafka allows repeated names and absent values; an absent value is not an empty one.
struct Header {
  std::string name;
  std::optional<std::string> value;

  bool operator==(Header const&) const = default;
};

/// One record to be written to a topic. An absent value is a tombstone. Without a partition, the key decides, as for
/// every Java client (murmur2); a record without key goes to any partition.
struct Record {
  std::string topic;
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<Header> headers;
  std::optional<std::int32_t> partition;

  bool operator==(Record const&) const = default;
};

/// The size of a batch with only this record, not compressed, in Kafka's message format v2: the size that
/// `max.message.bytes` of its topic limits.
std::size_t batch_bytes(Record const& record);

}  // namespace omnibus::kafka

namespace omnibus {
using kafka::Header;
using kafka::Record;
}  // namespace omnibus
