#include "workers/gateway/door/rate_limit.hpp"

#include <doctest/doctest.h>

using namespace omnibus::gateway;
using namespace std::chrono_literals;

TEST_CASE("a domain may ask its burst at once, then waits for the next token") {
  RateLimit limit(10, 3);
  RateLimit::Clock::time_point const now{1h};
  for (int i = 0; i < 3; ++i) CHECK_FALSE(limit.acquire("shop.example", now));
  auto const wait = limit.acquire("shop.example", now);
  REQUIRE(wait);
  CHECK(*wait == 100ms);
  CHECK_FALSE(limit.acquire("shop.example", now + *wait));
  CHECK(limit.acquire("shop.example", now + *wait));
}

TEST_CASE("one domain's haste is not another's") {
  RateLimit limit(1, 1);
  RateLimit::Clock::time_point const now{1h};
  CHECK_FALSE(limit.acquire("shop.example", now));
  CHECK(limit.acquire("shop.example", now));
  CHECK_FALSE(limit.acquire("bank.example", now));
}

TEST_CASE("a bucket never holds more than its burst, however long it was left") {
  RateLimit limit(100, 2);
  RateLimit::Clock::time_point const now{1h};
  CHECK_FALSE(limit.acquire("shop.example", now));
  for (int i = 0; i < 2; ++i) CHECK_FALSE(limit.acquire("shop.example", now + 24h));
  CHECK(limit.acquire("shop.example", now + 24h));
}

TEST_CASE("a rate of nought limits nobody") {
  RateLimit limit(0, 1);
  for (int i = 0; i < 100; ++i) CHECK_FALSE(limit.acquire("shop.example", RateLimit::Clock::time_point{}));
}

TEST_CASE("full buckets make room, empty ones are kept") {
  RateLimit limit(1, 1, 2);
  RateLimit::Clock::time_point const now{1h};
  CHECK_FALSE(limit.acquire("a", now));
  CHECK_FALSE(limit.acquire("b", now + 1h));
  CHECK_FALSE(limit.acquire("c", now + 1h));
  CHECK(limit.acquire("b", now + 1h));
}
