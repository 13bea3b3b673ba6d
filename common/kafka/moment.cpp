#include "kafka/moment.hpp"

#include "time/time.hpp"

#include <charconv>
#include <stdexcept>

#include <fmt/format.h>

namespace omnibus::kafka {
namespace {

constexpr std::int64_t earliest_ms = 100'000'000'000;   // 1973: less must be a number of seconds
constexpr std::int64_t latest_ms = 32'503'680'000'000;  // the year 3000: more must be micro- or nanoseconds

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

Moment parse_moment(std::string_view text) {
  if (text == "earliest") return {Moment::Kind::earliest, 0};
  if (text == "now") return {Moment::Kind::now, 0};
  if (is_digits(text)) {
    std::int64_t ms = 0;
    auto const read = std::from_chars(text.data(), text.data() + text.size(), ms);
    if (read.ec != std::errc{} || ms < earliest_ms || ms > latest_ms)
      throw std::invalid_argument(fmt::format("{} is not a number of milliseconds since 1970", text.substr(0, 32)));
    return {Moment::Kind::time, ms};
  }
  if (auto const ms = parse_time_ms(text)) return {Moment::Kind::time, *ms};
  throw std::invalid_argument(
      fmt::format("'{}' is no time: give one such as 2026-11-20T09:00:00Z or 2026-11-20T10:00:00+01:00, milliseconds "
                  "since 1970, earliest or now",
                  text.substr(0, 64)));
}

std::string to_string(Moment const& moment) {
  if (moment.kind == Moment::Kind::earliest) return "earliest";
  if (moment.kind == Moment::Kind::now) return "now";
  return format_time_ms(moment.ms, Fraction::always);
}

}  // namespace omnibus::kafka
