#include "workers/scheduler/calendar.hpp"

#include "time/time.hpp"

#include <random>
#include <string>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::scheduler;

namespace {

constexpr std::int64_t minute = 60'000;

std::int64_t ms(std::string_view text) {
  return parse_time_ms(text).value();
}

std::string next(std::optional<Recurrence> const& recurrence, std::string_view moment) {
  return format_time_ms(next_due(recurrence.value(), ms(moment)));
}

}  // namespace

TEST_CASE("a period is due at its multiples since 1970, from whenever on") {
  auto const quarter = recurring_every(15 * minute);
  CHECK(next(quarter, "2026-11-29T02:07:31.5Z") == "2026-11-29T02:15:00Z");
  CHECK(next(quarter, "2026-11-29T02:15:00Z") == "2026-11-29T02:30:00Z");
  CHECK(next(quarter, "2026-12-31T23:59:59.999Z") == "2027-01-01T00:00:00Z");
  CHECK(next(quarter, "1969-12-31T23:52:00Z") == "1970-01-01T00:00:00Z");
  CHECK_FALSE(recurring_every(0));
  CHECK_FALSE(recurring_every(-minute));
}

TEST_CASE("days and weeks are due at their time in UTC, as Python's datetime has it") {
  struct Row {
    char const *moment, *daily, *sunday, *monday;
  };
  // Leap days, the ends of years and the days on which Europe's clocks change.
  for (auto const& row : {
           Row{"1969-12-31T23:59:00Z", "1970-01-01T02:30:00Z", "1970-01-04T03:00:00Z", "1970-01-05T04:00:00Z"},
           Row{"1970-01-01T00:00:00Z", "1970-01-01T02:30:00Z", "1970-01-04T03:00:00Z", "1970-01-05T04:00:00Z"},
           Row{"2024-02-28T23:59:00Z", "2024-02-29T02:30:00Z", "2024-03-03T03:00:00Z", "2024-03-04T04:00:00Z"},
           Row{"2024-02-29T03:00:00Z", "2024-03-01T02:30:00Z", "2024-03-03T03:00:00Z", "2024-03-04T04:00:00Z"},
           Row{"2026-03-29T02:30:00Z", "2026-03-30T02:30:00Z", "2026-03-29T03:00:00Z", "2026-03-30T04:00:00Z"},
           Row{"2026-10-25T03:00:00Z", "2026-10-26T02:30:00Z", "2026-11-01T03:00:00Z", "2026-10-26T04:00:00Z"},
           Row{"2026-12-31T23:59:00Z", "2027-01-01T02:30:00Z", "2027-01-03T03:00:00Z", "2027-01-04T04:00:00Z"},
           Row{"2028-02-29T12:00:00Z", "2028-03-01T02:30:00Z", "2028-03-05T03:00:00Z", "2028-03-06T04:00:00Z"},
           Row{"2100-02-28T12:00:00Z", "2100-03-01T02:30:00Z", "2100-03-07T03:00:00Z", "2100-03-01T04:00:00Z"},
       }) {
    CAPTURE(row.moment);
    CHECK(next(recurring_at("02:30"), row.moment) == row.daily);
    CHECK(next(recurring_at("Sun 03:00"), row.moment) == row.sunday);
    CHECK(next(recurring_at("Mon 04:00"), row.moment) == row.monday);
  }
}

TEST_CASE("what is no time of day is refused") {
  for (auto const* text : {"", "2:00", "02:0", "24:00", "02:60", "02.00", "02:00Z", " 02:00", "Sun", "Sun ", "Sun 3:00",
                           "sun 03:00", "Sunday 03:00", "Sun  03:00", "Tag 03:00", "-1:00", "0x:00"})
    CHECK_MESSAGE(!recurring_at(text), text);
  CHECK(recurring_at("00:00"));
  CHECK(recurring_at("23:59"));
}

TEST_CASE("a tick on time misses nothing, and one after downtime stands for all due times that passed") {
  auto const quarter = recurring_every(15 * minute).value();
  auto const tick = [&](std::string_view planned, std::string_view now) {
    return tick_until(quarter, ms(planned), ms(now));
  };
  CHECK(tick("2026-11-29T02:15:00Z", "2026-11-29T02:15:00Z") ==
        DueTick{ms("2026-11-29T02:15:00Z"), 0, ms("2026-11-29T02:30:00Z")});
  CHECK(tick("2026-11-29T02:15:00Z", "2026-11-29T02:29:59.999Z") ==
        DueTick{ms("2026-11-29T02:15:00Z"), 0, ms("2026-11-29T02:30:00Z")});
  CHECK(tick("2026-11-29T02:15:00Z", "2026-11-29T02:30:00Z") ==
        DueTick{ms("2026-11-29T02:30:00Z"), 1, ms("2026-11-29T02:45:00Z")});
  CHECK(tick("2026-11-26T02:15:00Z", "2026-11-29T02:16:00Z") ==
        DueTick{ms("2026-11-29T02:15:00Z"), 288, ms("2026-11-29T02:30:00Z")});
}

TEST_CASE("a time that an operator chose is due itself, and no regular one is lost by it") {
  auto const quarter = recurring_every(15 * minute).value();
  auto const chosen = ms("2026-11-29T02:07:11.123Z");
  CHECK(tick_until(quarter, chosen, chosen + 400) == DueTick{chosen, 0, ms("2026-11-29T02:15:00Z")});
  CHECK(tick_until(quarter, chosen, ms("2026-11-29T02:15:00Z")) ==
        DueTick{ms("2026-11-29T02:15:00Z"), 1, ms("2026-11-29T02:30:00Z")});
}

TEST_CASE("due times counted one by one are those that a tick counts at once") {
  std::mt19937 random{20261129};
  auto const upto = [&](std::int64_t most) { return std::uniform_int_distribution<std::int64_t>{0, most}(random); };
  for (int round = 0; round < 2'000; ++round) {
    auto const period = 1'000 + upto(7 * 24 * 60 * minute);
    Recurrence const recurrence{period, upto(period)};
    auto const planned = next_due(recurrence, ms("1970-01-02T00:00:00Z") + upto(4'000'000'000'000));
    auto const now = planned + upto(50 * period);
    std::int64_t last = planned;
    std::int64_t count = 0;
    for (auto due = planned; due <= now; due = next_due(recurrence, due), ++count) last = due;
    auto const tick = tick_until(recurrence, planned, now);
    CHECK(tick == DueTick{last, count - 1, last + period});
  }
}
