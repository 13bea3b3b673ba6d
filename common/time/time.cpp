#include "time/time.hpp"

namespace omnibus {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t most_fraction_digits = 9;

/// Takes `digits` digits off the front of `text`.
std::optional<int> take_number(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int number = 0;
  for (auto const c : text.substr(0, digits)) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + (c - '0');
  }
  text.remove_prefix(digits);
  return number;
}

bool take(std::string_view& text, std::string_view one_of) {
  if (text.empty() || one_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<milliseconds> take_fraction(std::string_view& text) {
  if (!take(text, ".")) return milliseconds{0};
  int ms = 0;
  std::size_t digits = 0;
  for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1), ++digits)
    if (digits < 3) ms = ms * 10 + (text.front() - '0');
  if (digits == 0 || digits > most_fraction_digits) return std::nullopt;
  for (; digits < 3; ++digits) ms *= 10;
  return milliseconds{ms};
}

std::optional<std::chrono::minutes> take_offset(std::string_view& text) {
  using std::chrono::hours;
  using std::chrono::minutes;
  if (take(text, "Zz")) return minutes{0};
  auto const west = text.starts_with('-');
  if (!take(text, "+-")) return std::nullopt;
  auto const hour = take_number(text, 2);
  if (!hour || *hour > 23 || !take(text, ":")) return std::nullopt;
  auto const minute = take_number(text, 2);
  if (!minute || *minute > 59) return std::nullopt;
  auto const offset = hours{*hour} + minutes{*minute};
  return west ? -offset : offset;
}

void append_number(std::string& out, unsigned number, unsigned divisor) {
  for (; divisor > 0; divisor /= 10) out += static_cast<char>('0' + number / divisor % 10);
}

}  // namespace

std::optional<std::int64_t> parse_time_ms(std::string_view text) {
  using namespace std::chrono;
  auto const year_number = take_number(text, 4);
  if (!year_number || *year_number < 1 || !take(text, "-")) return std::nullopt;
  auto const month_number = take_number(text, 2);
  if (!month_number || !take(text, "-")) return std::nullopt;
  auto const day_number = take_number(text, 2);
  if (!day_number || !take(text, "Tt ")) return std::nullopt;
  year_month_day const date{year{*year_number}, month{static_cast<unsigned>(*month_number)},
                            day{static_cast<unsigned>(*day_number)}};
  if (!date.ok()) return std::nullopt;
  auto const hour = take_number(text, 2);
  if (!hour || *hour > 23 || !take(text, ":")) return std::nullopt;
  auto const minute = take_number(text, 2);
  if (!minute || *minute > 59 || !take(text, ":")) return std::nullopt;
  auto const second = take_number(text, 2);
  if (!second || *second > 60) return std::nullopt;  // 60: a leap second
  auto const fraction = take_fraction(text);
  if (!fraction) return std::nullopt;
  auto const offset = take_offset(text);
  if (!offset || !text.empty()) return std::nullopt;
  auto const time = sys_days{date} + hours{*hour} + minutes{*minute} + seconds{*second} + *fraction - *offset;
  auto const ms = duration_cast<milliseconds>(time.time_since_epoch()).count();
  if (ms < first_time_ms || ms > last_time_ms) return std::nullopt;  // by its offset, or a leap second
  return ms;
}

std::optional<std::int64_t> parse_time_or_date_ms(std::string_view text) {
  constexpr std::size_t date_size = 10;
  if (text.size() == date_size) return parse_time_ms(std::string{text} + "T00:00:00Z");
  return parse_time_ms(text);
}

std::optional<std::string> time_in_utc(std::string_view text) {
  auto const ms = parse_time_ms(text);
  return ms ? std::optional{format_time_ms(*ms)} : std::nullopt;
}

std::string format_time_ms(std::int64_t ms, Fraction fraction) {
  using namespace std::chrono;
  sys_time<milliseconds> const time{milliseconds{ms}};
  auto const midnight = floor<days>(time);
  year_month_day const date{midnight};
  hh_mm_ss const clock{time - midnight};
  std::string text;
  text.reserve(24);
  append_number(text, static_cast<unsigned>(static_cast<int>(date.year())), 1000);
  text += '-';
  append_number(text, static_cast<unsigned>(date.month()), 10);
  text += '-';
  append_number(text, static_cast<unsigned>(date.day()), 10);
  text += 'T';
  append_number(text, static_cast<unsigned>(clock.hours().count()), 10);
  text += ':';
  append_number(text, static_cast<unsigned>(clock.minutes().count()), 10);
  text += ':';
  append_number(text, static_cast<unsigned>(clock.seconds().count()), 10);
  auto const rest = clock.subseconds().count();
  if (fraction == Fraction::always || (fraction == Fraction::as_needed && rest != 0)) {
    text += '.';
    append_number(text, static_cast<unsigned>(rest), 100);
  }
  text += 'Z';
  return text;
}

}  // namespace omnibus
