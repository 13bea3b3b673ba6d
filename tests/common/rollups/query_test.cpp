#include "rollups/query.hpp"

#include "time/time.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::rollups;

namespace {

constexpr std::string_view noon = "2026-11-20T12:07:30Z";

Query read(QueryText const& text) {
  return read_query(text, *parse_time_ms(noon));
}

std::string range_of(QueryText const& text) {
  auto const query = read(text);
  return format_time_ms(query.from_ms) + ' ' + format_time_ms(query.to_ms);
}

/// The field that is at fault.
std::string refused(QueryText const& text) {
  try {
    read(text);
    return "none";
  } catch (InvalidQuery const& invalid) {
    CHECK(!invalid.detail.empty());
    return invalid.field;
  }
}

QueryText range(std::string_view from, std::string_view to, std::string_view granularity) {
  QueryText text;
  text.from = from;
  text.to = to;
  text.granularity = granularity;
  return text;
}

}  // namespace

TEST_CASE("without a range it is the day up to now, by the hour and in whole hours") {
  CHECK(range_of({}) == "2026-11-19T12:00:00Z 2026-11-20T13:00:00Z");
  CHECK(read({}).granularity == Granularity::hour);
}

TEST_CASE("a range is widened to whole buckets, and one that ends at a bound is not") {
  CHECK(range_of(range("2026-11-20T10:01:00Z", "2026-11-20T10:15:01Z", "15m")) ==
        "2026-11-20T10:00:00Z 2026-11-20T10:30:00Z");
  CHECK(range_of(range("2026-11-20T10:15:00Z", "2026-11-20T10:30:00Z", "15m")) ==
        "2026-11-20T10:15:00Z 2026-11-20T10:30:00Z");
  CHECK(range_of(range("2026-11-18", "2026-11-20", "1d")) == "2026-11-18T00:00:00Z 2026-11-20T00:00:00Z");
  CHECK(range_of(range("1969-12-31T22:30:00Z", "1970-01-01", "1h")) == "1969-12-31T22:00:00Z 1970-01-01T00:00:00Z");
}

TEST_CASE("what cannot be answered is refused with the field at fault") {
  CHECK(refused(range("0001-01-01T00:00:00+00:01", "0001-01-02", "1h")) == "from");
  CHECK(refused(range("9999-12-31", "9999-12-31T23:59:59Z", "1d")) == "to");
  CHECK(range_of(range("9999-12-29", "9999-12-31", "1d")) == "9999-12-29T00:00:00Z 9999-12-31T00:00:00Z");
  QueryText first_day;
  first_day.to = "0001-01-01T12:00:00Z";
  CHECK(refused(first_day) == "from");  // which is a day before
  CHECK(refused(range("yesterday", "2026-11-20", "1h")) == "from");
  CHECK(refused(range("2026-11-20", "2026-13-20", "1h")) == "to");
  CHECK(refused(range("2026-11-20", "2026-11-20", "1h")) == "from");
  CHECK(refused(range("2026-11-20", "2026-11-19", "1h")) == "from");
  CHECK(refused(range("2026-11-19", "2026-11-20", "5m")) == "granularity");
  CHECK(refused(range("2026-11-19", "2026-11-20", "")) == "granularity");
  QueryText text;
  text.model = "";
  CHECK(refused(text) == "model");
  text.model = "\xff";
  CHECK(refused(text) == "model");
  std::string const long_name(257, 'd');
  text.model = {};
  text.domain = long_name;
  CHECK(refused(text) == "domain");
}

TEST_CASE("a range has at most a thousand buckets") {
  CHECK(refused(range("0001-01-01", "9999-12-31", "1d")) == "from");
  CHECK(refused(range("2026-10-01", "2026-11-20", "1h")) == "from");
  CHECK(refused(range("2026-10-10", "2026-11-20", "1h")) == "none");
  CHECK(refused(range("2026-11-10", "2026-11-20", "15m")) == "none");
  CHECK(refused(range("2026-11-09", "2026-11-20", "15m")) == "from");
}
