#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus {

/// A point in time in ms since 1970, truncated.
constexpr std::int64_t unix_ms(std::chrono::system_clock::time_point time) {
  return std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch().count();
}

/// The clock of this machine, in ms since 1970.
inline std::int64_t wall_clock_ms() {
  return unix_ms(std::chrono::system_clock::now());
}

/// The first and the last time that can be written: years 1 to 9999, in UTC.
inline constexpr std::int64_t first_time_ms = -62'135'596'800'000;
inline constexpr std::int64_t last_time_ms = 253'402'300'799'999;

/// Reads an RFC 3339 time such as `2026-11-20T12:00:00.5+02:00`, in ms since 1970: first_time_ms to last_time_ms, a
/// fraction of up to nine digits, truncated to ms. Nothing when it is invalid.
std::optional<std::int64_t> parse_time_ms(std::string_view text);

/// Reads the same, or a date without time, which means its first midnight (UTC).
std::optional<std::int64_t> parse_time_or_date_ms(std::string_view text);

/// Whether a time is written with milliseconds; `as_needed`: if they are not zero.
enum class Fraction { as_needed, always, none };

/// A time in ms since 1970 as RFC 3339 in UTC: `2026-11-20T10:00:00.500Z`. For first_time_ms to last_time_ms.
std::string format_time_ms(std::int64_t ms, Fraction fraction = Fraction::as_needed);

/// The same instant in UTC; nothing when the text is no time. PostgreSQL reads offsets below 16 hours only, RFC 3339
/// has them up to 23:59.
std::optional<std::string> time_in_utc(std::string_view text);

}  // namespace omnibus
