#include "workers/telemetry/duration_histogram.hpp"

#include <cmath>

#include <doctest/doctest.h>

using omnibus::telemetry::DurationHistogram;

namespace {

constexpr long double factor = 21.0L / 19.0L;
constexpr std::int64_t a_day = 86'400'000;

}  // namespace

TEST_CASE("a bucket's value is within 5 % of everything that is counted in it") {
  for (std::int64_t ms = 1; ms <= a_day; ms += 1 + ms / 500) {
    auto const value = 0.95L * std::pow(factor, static_cast<long double>(DurationHistogram::bucket_of(ms)));
    CHECK(std::abs(value - static_cast<long double>(ms)) <=
          (DurationHistogram::relative_error + 1e-9L) * static_cast<long double>(ms));
  }
}

TEST_CASE("no bound of a bucket is so near a whole number that rounding could move a duration to its neighbour") {
  // Which is why C++ and PostgreSQL agree although each computes its own logarithm.
  for (int bucket = 1; bucket <= DurationHistogram::bucket_of(a_day); ++bucket) {
    auto const bound = std::pow(factor, static_cast<long double>(bucket));
    CHECK(std::abs(bound - std::round(bound)) / bound > 1e-12L);
    CHECK(DurationHistogram::bucket_of(static_cast<std::int64_t>(std::floor(bound))) <= bucket);
    CHECK(DurationHistogram::bucket_of(static_cast<std::int64_t>(std::ceil(bound))) > bucket);
  }
}

TEST_CASE("a histogram is written with the buckets it needs, and merges into what both counted") {
  DurationHistogram empty;
  CHECK(empty.to_array() == "{}");
  CHECK(DurationHistogram::bucket_of(0) == 0);
  CHECK(DurationHistogram::bucket_of(1) == 0);
  DurationHistogram one;
  one.add(0);
  one.add(1);
  CHECK(one.to_array() == "[0:0]={2}");
  DurationHistogram other;
  other.add(3);  // (21/19)^10 is 2.72
  other.add(4);
  CHECK(other.to_array() == "[11:14]={1,0,0,1}");
  other.add(one);
  CHECK(other.to_array() == "[0:14]={2,0,0,0,0,0,0,0,0,0,0,1,0,0,1}");
  one.add(DurationHistogram{});
  CHECK(one.to_array() == "[0:0]={2}");
}
