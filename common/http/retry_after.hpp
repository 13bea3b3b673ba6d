/// The wait that a server asks for. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace omnibus::http {

/// Reads `retry-after-ms`, or else Retry-After in seconds or as a date; a day at most.
std::optional<std::chrono::milliseconds> parse_retry_after(std::optional<std::string_view> milliseconds,
                                                           std::optional<std::string_view> retry_after,
                                                           std::chrono::system_clock::time_point now);

}  // namespace omnibus::http
