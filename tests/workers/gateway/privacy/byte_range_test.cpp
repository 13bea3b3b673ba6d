#include "workers/gateway/privacy/byte_range.hpp"

#include <doctest/doctest.h>

using namespace omnibus::gateway;

TEST_CASE("a range of bytes is read as RFC 9110 says") {
  CHECK(parse_byte_range("bytes=0-0", 10) == ByteRange{0, 1});
  CHECK(parse_byte_range("bytes=3-", 10) == ByteRange{3, 10});
  CHECK(parse_byte_range("bytes=3-99", 10) == ByteRange{3, 10});
  CHECK(parse_byte_range("bytes=-3", 10) == ByteRange{7, 10});
  CHECK(parse_byte_range("bytes=-30", 10) == ByteRange{0, 10});
  CHECK(parse_byte_range("bytes=0-99999999999999999999999", 10) == ByteRange{0, 10});
  for (auto const* const ignored :
       {"lines=0-1", "bytes=", "bytes=a-b", "bytes=5-2", "bytes=--1", "bytes=1", "", "bytes=1-x"})
    CHECK_FALSE(parse_byte_range(ignored, 10));
  for (auto const* const refused : {"bytes=10-", "bytes=-0", "bytes=0-1,3-4", "bytes=99999999999999999999999-"})
    CHECK_THROWS_AS(parse_byte_range(refused, 10), UnsatisfiableRange);
}
