#include "kafka/moment.hpp"

#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

using namespace omnibus::kafka;

namespace {

std::string read(std::string_view text) {
  return to_string(parse_moment(text));
}

}  // namespace

TEST_CASE("a moment is read as RFC 3339, as milliseconds, or as one of two words") {
  CHECK(read("2026-11-20T09:00:00Z") == "2026-11-20T09:00:00.000Z");
  CHECK(read("2026-11-20t09:00:00.25z") == "2026-11-20T09:00:00.250Z");
  CHECK(read("2026-11-20 09:00:00.123456789Z") == "2026-11-20T09:00:00.123Z");
  CHECK(read("2026-11-20T01:30:00+02:00") == "2026-11-19T23:30:00.000Z");
  CHECK(read("2026-11-20T23:30:00-01:30") == "2026-11-21T01:00:00.000Z");
  CHECK(read("2024-02-29T00:00:00Z") == "2024-02-29T00:00:00.000Z");
  CHECK(read("2016-12-31T23:59:60Z") == "2017-01-01T00:00:00.000Z");
  CHECK(read("1700000000123") == "2023-11-14T22:13:20.123Z");
  CHECK(parse_moment("1700000000123").ms == 1'700'000'000'123);
  CHECK(read("earliest") == "earliest");
  CHECK(read("now") == "now");
}

TEST_CASE("what is no moment is refused, seconds and microseconds too") {
  for (auto const* const text : {"",
                                 " ",
                                 "yesterday",
                                 "Now",
                                 "2026-11-20",
                                 "2026-11-20T09:00:00",
                                 "2026-11-20T09:00Z",
                                 "2026-02-29T00:00:00Z",
                                 "2026-13-01T00:00:00Z",
                                 "2026-00-01T00:00:00Z",
                                 "2026-11-31T00:00:00Z",
                                 "2026-11-20T24:00:00Z",
                                 "2026-11-20T09:60:00Z",
                                 "2026-11-20T09:00:00.Z",
                                 "2026-11-20T09:00:00+0100",
                                 "2026-11-20T09:00:00+24:00",
                                 "2026-11-20T09:00:00Zz",
                                 "+2026-11-20T09:00:00Z",
                                 "-1",
                                 "1700000000",
                                 "1700000000123456",
                                 "99999999999999999999999999",
                                 "2026-11-20T09:00:00.1234567890Z"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_moment(text), std::invalid_argument);
  }
}
