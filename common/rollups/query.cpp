#include "rollups/query.hpp"

#include "json/utf8.hpp"
#include "time/time.hpp"

#include <fmt/format.h>

namespace omnibus::rollups {
namespace {

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t day_ms = 24 * 60 * minute_ms;
constexpr std::size_t longest_name = 256;

std::int64_t read_time(std::string_view field, std::string_view text) {
  if (auto const time = parse_time_or_date_ms(text)) return *time;
  throw InvalidQuery{std::string{field}, "It must be a time such as 2026-11-20T12:00:00Z, or a date"};
}

std::string read_name(std::string_view field, std::optional<std::string_view> text) {
  if (!text) return {};
  if (text->empty() || text->size() > longest_name || text->find('\0') != std::string_view::npos ||
      !json::is_utf8(*text))
    throw InvalidQuery{std::string{field}, fmt::format("It must be UTF-8 of 1 to {} bytes", longest_name)};
  return std::string{*text};
}

Granularity read_granularity(std::optional<std::string_view> text) {
  for (auto const each : {Granularity::quarter, Granularity::hour, Granularity::day})
    if (text.value_or("1h") == to_string(each)) return each;
  throw InvalidQuery{"granularity", "It must be 15m, 1h or 1d"};
}

std::int64_t floor_to(std::int64_t time, std::int64_t width) {
  auto const rest = time % width;
  return time - (rest < 0 ? rest + width : rest);
}

}  // namespace

std::string_view to_string(Granularity granularity) {
  switch (granularity) {
    case Granularity::quarter:
      return "15m";
    case Granularity::hour:
      return "1h";
    case Granularity::day:
      return "1d";
  }
  return "";
}

std::int64_t width_ms(Granularity granularity) {
  switch (granularity) {
    case Granularity::quarter:
      return 15 * minute_ms;
    case Granularity::hour:
      return 60 * minute_ms;
    case Granularity::day:
      return day_ms;
  }
  return day_ms;
}

Query read_query(QueryText const& text, std::int64_t now_ms) {
  Query query;
  query.granularity = read_granularity(text.granularity);
  query.domain = read_name("domain", text.domain);
  query.model = read_name("model", text.model);
  auto const width = width_ms(query.granularity);
  auto const to = text.to ? read_time("to", *text.to) : now_ms;
  auto const from = text.from ? read_time("from", *text.from) : to - day_ms;
  if (from >= to) throw InvalidQuery{"from", "It must be before the end of the range"};
  query.from_ms = floor_to(from, width);
  query.to_ms = floor_to(to - 1, width) + width;
  if (query.from_ms < first_time_ms) throw InvalidQuery{"from", "It must not be before the year 1"};
  if (query.to_ms > last_time_ms) throw InvalidQuery{"to", "It must be before the last day of the year 9999"};
  if (auto const buckets = (query.to_ms - query.from_ms) / width; buckets > most_buckets)
    throw InvalidQuery{"from",
                       fmt::format("The range has {} buckets of {}, but at most {} are allowed: ask for a coarser "
                                   "granularity or a shorter range",
                                   buckets, to_string(query.granularity), most_buckets)};
  return query;
}

}  // namespace omnibus::rollups
