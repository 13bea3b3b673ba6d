#include "workers/gateway/privacy/byte_range.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace omnibus::gateway {
namespace {

constexpr std::string_view unit = "bytes=";

/// A number of digits alone. One that is too large for an offset is the largest.
std::optional<std::int64_t> read_offset(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  std::int64_t offset = 0;
  auto const [last, error] = std::from_chars(text.data(), text.data() + text.size(), offset);
  return error == std::errc() ? offset : std::numeric_limits<std::int64_t>::max();
}

}  // namespace

std::optional<ByteRange> parse_byte_range(std::string_view header, std::int64_t size) {
  if (!header.starts_with(unit)) return std::nullopt;
  header.remove_prefix(unit.size());
  if (header.find(',') != std::string_view::npos) throw UnsatisfiableRange{};
  auto const dash = header.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  auto const first = read_offset(header.substr(0, dash));
  auto const last = read_offset(header.substr(dash + 1));
  if (!first) {  // the last bytes
    if (dash != 0 || !last) return std::nullopt;
    if (*last == 0) throw UnsatisfiableRange{};
    return ByteRange{size - std::min(size, *last), size};
  }
  if (!last && dash + 1 < header.size()) return std::nullopt;
  if (last && *last < *first) return std::nullopt;
  if (*first >= size) throw UnsatisfiableRange{};
  return ByteRange{*first, last && *last < size ? *last + 1 : size};
}

}  // namespace omnibus::gateway
