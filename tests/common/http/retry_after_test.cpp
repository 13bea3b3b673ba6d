#include "http/retry_after.hpp"

#include <doctest/doctest.h>

namespace omnibus::http {

using std::chrono::milliseconds;

TEST_CASE("Retry-After is read in milliseconds, in seconds and as a date, and is bounded") {
  auto const now = std::chrono::system_clock::from_time_t(784111770);  // Sun, 06 Nov 1994 08:49:30 GMT
  CHECK(parse_retry_after("250", "9", now) == milliseconds(250));
  CHECK(parse_retry_after("x", "9", now) == milliseconds(9000));
  CHECK(parse_retry_after({}, "1.5", now) == milliseconds(1500));
  CHECK(parse_retry_after({}, "Sun, 06 Nov 1994 08:49:37 GMT", now) == milliseconds(7000));
  CHECK(parse_retry_after({}, "Sun, 06 Nov 1994 08:49:00 GMT", now) == milliseconds(0));
  CHECK(parse_retry_after({}, "1e300", now) == milliseconds(86'400'000));
  CHECK_FALSE(parse_retry_after({}, "-1", now));
  CHECK_FALSE(parse_retry_after({}, "soon", now));
  CHECK_FALSE(parse_retry_after({}, {}, now));
}

}  // namespace omnibus::http
