/// The `Range` header of a request for bytes (RFC 9110).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace omnibus::gateway {

/// Bytes from `first` up to, not including, `end`.
struct ByteRange {
  std::int64_t first = 0, end = 0;
  bool operator==(ByteRange const&) const = default;
};

/// Thrown for a range that begins behind the end, and for several ranges, which are not served.
struct UnsatisfiableRange {};

/// The range that is asked for of `size` bytes; nothing for a header that must be ignored, since its unit or form is
/// unknown. Pure. @throws UnsatisfiableRange
std::optional<ByteRange> parse_byte_range(std::string_view header, std::int64_t size);

}  // namespace omnibus::gateway
