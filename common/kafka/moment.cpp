#include "kafka/moment.hpp"

#include <charconv>
#include <chrono>
#include <optional>
#include <stdexcept>

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace omnibus::kafka {
namespace {

constexpr std::int64_t earliest_ms = 100'000'000'000;   // 1973: less must be a number of seconds
constexpr std::int64_t latest_ms = 32'503'680'000'000;  // the year 3000: more must be micro- or nanoseconds

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// Takes so many digits off the front, a number of at most `most`.
std::optional<int> take_number(std::string_view& rest, std::size_t digits, int most) {
  if (rest.size() < digits || !is_digits(rest.substr(0, digits))) return std::nullopt;
  int number = 0;
  std::from_chars(rest.data(), rest.data() + digits, number);
  rest.remove_prefix(digits);
  if (number > most) return std::nullopt;
  return number;
}

bool take(std::string_view& rest, std::string_view any_of) {
  if (rest.empty() || any_of.find(rest.front()) == std::string_view::npos) return false;
  rest.remove_prefix(1);
  return true;
}

/// Milliseconds of a fraction of a second; more digits are cut off.
std::optional<int> take_fraction(std::string_view& rest) {
  if (!take(rest, ".")) return 0;
  auto const digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
  if (digits == 0 || digits > 9) return std::nullopt;
  auto text = std::string{rest.substr(0, digits)};
  rest.remove_prefix(digits);
  text.resize(3, '0');
  return std::stoi(text);
}

std::optional<std::chrono::minutes> take_offset(std::string_view& rest) {
  if (take(rest, "Zz")) return std::chrono::minutes{0};
  auto const behind = !rest.empty() && rest.front() == '-';
  if (!take(rest, "+-")) return std::nullopt;
  auto const hours = take_number(rest, 2, 23);
  if (!hours || !take(rest, ":")) return std::nullopt;
  auto const minutes = take_number(rest, 2, 59);
  if (!minutes) return std::nullopt;
  auto const offset = std::chrono::hours{*hours} + std::chrono::minutes{*minutes};
  return behind ? -offset : offset;
}

std::optional<std::int64_t> parse_rfc3339(std::string_view rest) {
  namespace chrono = std::chrono;
  auto const year = take_number(rest, 4, 9999);
  if (!year || !take(rest, "-")) return std::nullopt;
  auto const month = take_number(rest, 2, 12);
  if (!month || !take(rest, "-")) return std::nullopt;
  auto const day = take_number(rest, 2, 31);
  if (!day || !take(rest, "Tt ")) return std::nullopt;
  auto const hours = take_number(rest, 2, 23);
  if (!hours || !take(rest, ":")) return std::nullopt;
  auto const minutes = take_number(rest, 2, 59);
  if (!minutes || !take(rest, ":")) return std::nullopt;
  auto const seconds = take_number(rest, 2, 60);  // 60: a leap second
  auto const fraction = seconds ? take_fraction(rest) : std::nullopt;
  auto const offset = fraction ? take_offset(rest) : std::nullopt;
  if (!offset || !rest.empty()) return std::nullopt;
  auto const date = chrono::year_month_day{chrono::year{*year}, chrono::month{static_cast<unsigned>(*month)},
                                           chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok()) return std::nullopt;
  auto const time = chrono::sys_days{date} + chrono::hours{*hours} + chrono::minutes{*minutes} +
                    chrono::seconds{*seconds} + chrono::milliseconds{*fraction} - *offset;
  return chrono::duration_cast<chrono::milliseconds>(time.time_since_epoch()).count();
}

}  // namespace

Moment parse_moment(std::string_view text) {
  if (text == "earliest") return {Moment::Kind::earliest, 0};
  if (text == "now") return {Moment::Kind::now, 0};
  if (is_digits(text)) {
    std::int64_t ms = 0;
    auto const read = std::from_chars(text.data(), text.data() + text.size(), ms);
    if (read.ec != std::errc{} || ms < earliest_ms || ms > latest_ms)
      throw std::invalid_argument(fmt::format("{} is no number of milliseconds since 1970", text.substr(0, 32)));
    return {Moment::Kind::time, ms};
  }
  if (auto const ms = parse_rfc3339(text)) return {Moment::Kind::time, *ms};
  throw std::invalid_argument(
      fmt::format("'{}' is no time: give one such as 2026-11-20T09:00:00Z or 2026-11-20T10:00:00+01:00, milliseconds "
                  "since 1970, earliest or now",
                  text.substr(0, 64)));
}

std::string to_string(Moment const& moment) {
  if (moment.kind == Moment::Kind::earliest) return "earliest";
  if (moment.kind == Moment::Kind::now) return "now";
  auto const seconds = std::chrono::floor<std::chrono::seconds>(std::chrono::milliseconds{moment.ms});
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(static_cast<std::time_t>(seconds.count())),
                     moment.ms - 1000 * seconds.count());
}

}  // namespace omnibus::kafka
