#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus {

/// Reads a time of RFC 3339, as `2026-11-20T12:00:00.5+02:00`, in ms since 1970. What is finer is cut off; years 1 to
/// 9999. Nothing when it is none.
std::optional<std::int64_t> parse_time_ms(std::string_view text);

/// A time in ms since 1970 as RFC 3339 in UTC, its milliseconds only where it has any: `2026-11-20T10:00:00.500Z`. For
/// years 1 to 9999.
std::string format_time_ms(std::int64_t ms);

}  // namespace omnibus
