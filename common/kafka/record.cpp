#include "kafka/record.hpp"

namespace omnibus::kafka {
namespace {

constexpr std::size_t batch_header = 61;
constexpr std::size_t attributes_and_deltas = 3;  // a byte each where the record is the only one

/// Of a length: varints are zig-zag, which doubles it. An absent value has a length of -1, which takes a byte as 0
/// does.
std::size_t varint_bytes(std::size_t length) {
  std::size_t bytes = 1;
  for (length *= 2; length >= 128; length >>= 7) ++bytes;
  return bytes;
}

std::size_t with_length(std::size_t length) {
  return varint_bytes(length) + length;
}

std::size_t with_length(std::optional<std::string> const& field) {
  return with_length(field ? field->size() : 0);
}

}  // namespace

std::size_t batch_bytes(Record const& record) {
  auto bytes =
      attributes_and_deltas + with_length(record.key) + with_length(record.value) + varint_bytes(record.headers.size());
  for (auto const& [name, value] : record.headers) bytes += with_length(name.size()) + with_length(value);
  return batch_header + with_length(bytes);
}

}  // namespace omnibus::kafka
