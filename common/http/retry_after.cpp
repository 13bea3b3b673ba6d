#include "http/retry_after.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <ctime>
#include <string>

namespace omnibus::http {

std::optional<std::chrono::milliseconds> parse_retry_after(std::optional<std::string_view> milliseconds,
                                                           std::optional<std::string_view> retry_after,
                                                           std::chrono::system_clock::time_point now) {
  static constexpr double day = 24.0 * 3600 * 1000;
  auto const number = [](std::string_view text) -> std::optional<double> {
    double value = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !(value >= 0)) return std::nullopt;
    return value;
  };
  auto const as_time = [](double value) {
    return std::chrono::milliseconds(static_cast<std::int64_t>(std::min(value, day)));
  };
  if (milliseconds) {
    if (auto const value = number(*milliseconds)) return as_time(*value);
  }
  if (!retry_after) return std::nullopt;
  if (auto const value = number(*retry_after)) return as_time(*value * 1000);
  std::tm date{};
  std::string const text(*retry_after);
  if (strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date) == nullptr) return std::nullopt;
  auto const at = std::chrono::system_clock::from_time_t(timegm(&date));
  auto const left = std::chrono::duration_cast<std::chrono::milliseconds>(at - now).count();
  return as_time(std::max(0.0, static_cast<double>(left)));
}

}  // namespace omnibus::http
