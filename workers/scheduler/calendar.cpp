#include "workers/scheduler/calendar.hpp"

#include <algorithm>
#include <array>

namespace omnibus::scheduler {
namespace {

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t day_ms = 24 * 60 * minute_ms;
constexpr std::array<std::string_view, 7> weekdays{"Thu", "Fri", "Sat", "Sun",
                                                   "Mon", "Tue", "Wed"};  // 1970 began on one

std::optional<int> two_digits(std::string_view text, int most) {
  auto const is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.size() != 2 || !is_digit(text[0]) || !is_digit(text[1])) return std::nullopt;
  auto const number = (text[0] - '0') * 10 + text[1] - '0';
  return number <= most ? std::optional{number} : std::nullopt;
}

std::optional<std::int64_t> time_of_day(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  auto const hour = two_digits(text.substr(0, 2), 23);
  auto const minute = two_digits(text.substr(3), 59);
  if (!hour || !minute) return std::nullopt;
  return (*hour * 60 + *minute) * minute_ms;
}

/// The last due time that is not after `moment`, which may be before 1970.
std::int64_t last_due(Recurrence const& recurrence, std::int64_t moment) {
  auto since = (moment - recurrence.phase_ms) % recurrence.period_ms;
  if (since < 0) since += recurrence.period_ms;
  return moment - since;
}

}  // namespace

std::optional<Recurrence> recurring_every(std::int64_t period_ms) {
  if (period_ms <= 0) return std::nullopt;
  return Recurrence{period_ms, 0};
}

std::optional<Recurrence> recurring_at(std::string_view text) {
  if (auto const daily = time_of_day(text)) return Recurrence{day_ms, *daily};
  if (text.size() < 4 || text[3] != ' ') return std::nullopt;
  auto const* const weekday = std::ranges::find(weekdays, text.substr(0, 3));
  auto const time = time_of_day(text.substr(4));
  if (weekday == weekdays.end() || !time) return std::nullopt;
  return Recurrence{7 * day_ms, (weekday - weekdays.begin()) * day_ms + *time};
}

std::int64_t next_due(Recurrence const& recurrence, std::int64_t moment) {
  return last_due(recurrence, moment) + recurrence.period_ms;
}

DueTick tick_until(Recurrence const& recurrence, std::int64_t planned, std::int64_t now) {
  auto const due = std::max(planned, last_due(recurrence, now));
  // Rounded up: a chosen time before a due time is one that passed, too.
  auto const missed = (due - planned + recurrence.period_ms - 1) / recurrence.period_ms;
  return {due, missed, next_due(recurrence, now)};
}

}  // namespace omnibus::scheduler
