#include "time/time.hpp"

#include <doctest/doctest.h>

using namespace omnibus;

TEST_CASE("a time of RFC 3339 is read in every form it may have") {
  CHECK(parse_time_ms("1970-01-01T00:00:00Z") == 0);
  CHECK(parse_time_ms("1969-12-31T23:59:59.999Z") == -1);
  CHECK(parse_time_ms("2026-11-20T12:00:00.5+02:00") == 1795168800500);
  CHECK(parse_time_ms("2026-11-20t10:00:00.5009999z") == 1795168800500);
  CHECK(parse_time_ms("2026-11-20 04:30:00-05:30") == 1795168800000);
  CHECK(parse_time_ms("2016-12-31T23:59:60Z") == parse_time_ms("2017-01-01T00:00:00Z"));
  CHECK(parse_time_ms("2024-02-29T00:00:00Z"));
}

TEST_CASE("what is no time is not read as one") {
  for (auto const* text : {"",
                           "2026-11-20",
                           "2026-11-20T10:00:00",
                           "2026-11-20T10:00Z",
                           "2026-13-01T00:00:00Z",
                           "2023-02-29T00:00:00Z",
                           "2026-11-20T24:00:00Z",
                           "2026-11-20T10:60:00Z",
                           "2026-11-20T10:00:61Z",
                           "2026-11-20T10:00:00.Z",
                           "2026-11-20T10:00:00.1234567890Z",
                           "2026-11-20T10:00:00+1:00",
                           "2026-11-20T10:00:00+24:00",
                           "0001-01-01T00:00:00+00:01",
                           "9999-12-31T23:59:59-00:01",
                           "9999-12-31T23:59:60Z",
                           "2026-11-20T10:00:00Z ",
                           "0000-01-01T00:00:00Z",
                           "+026-11-20T10:00:00Z",
                           "now"})
    CHECK_MESSAGE(!parse_time_ms(text), text);
}

TEST_CASE("a date alone is the midnight it begins with, where one may stand for a time") {
  CHECK(parse_time_or_date_ms("2026-11-20") == parse_time_ms("2026-11-20T00:00:00Z"));
  CHECK(parse_time_or_date_ms("2026-11-20T10:00:00+02:00") == parse_time_ms("2026-11-20T08:00:00Z"));
  for (auto const* text : {"", "2026-02-30", "2026-11-2", "20261120", "2026-11-20T", "yesterday!"})
    CHECK_MESSAGE(!parse_time_or_date_ms(text), text);
}

TEST_CASE("a time is written with its milliseconds, without them, or as it needs") {
  constexpr std::int64_t whole = 1795168800000;
  CHECK(format_time_ms(whole) == "2026-11-20T10:00:00Z");
  CHECK(format_time_ms(whole + 7) == "2026-11-20T10:00:00.007Z");
  CHECK(format_time_ms(whole, Fraction::always) == "2026-11-20T10:00:00.000Z");
  CHECK(format_time_ms(whole + 7, Fraction::always) == "2026-11-20T10:00:00.007Z");
  CHECK(format_time_ms(whole + 999, Fraction::none) == "2026-11-20T10:00:00Z");
}

TEST_CASE("a time is told in UTC, whatever its offset") {
  CHECK(time_in_utc("2026-11-20T10:00:00.5+23:59") == "2026-11-19T10:01:00.500Z");
  CHECK(time_in_utc("0001-01-01T23:59:00+23:59") == "0001-01-01T00:00:00Z");
  CHECK_FALSE(time_in_utc("2026-11-20"));
}

TEST_CASE("a time reads back as it was written") {
  for (auto const* text : {"0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z", "2026-11-20T10:00:00.007Z",
                           "2024-02-29T23:59:59Z", "9999-12-31T23:59:59.999Z"})
    CHECK(format_time_ms(parse_time_ms(text).value_or(0)) == text);
}
