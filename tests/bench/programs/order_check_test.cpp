#include "order_check.hpp"

#include <random>

#include <doctest/doctest.h>

using omnibus::bench::OrderCheck;

TEST_CASE("events of many keys, each in order, are all in order") {
  OrderCheck check{4};  // has to grow
  for (std::uint64_t number = 0; number < 10; ++number)
    for (std::uint64_t key = 0; key < 5000; ++key) check.handled(key * 0x9E3779B97F4A7C15ULL, number);
  auto const found = check.findings();
  CHECK(found.distinct == 50'000);
  CHECK(found.disorder == 0);
  CHECK(found.duplicates == 0);
  CHECK(found.missing == 0);
}

TEST_CASE("an event that is handled before the one before it is disorder, once, and nothing else") {
  OrderCheck check;
  for (std::uint64_t const number : {0, 2, 1, 3}) check.handled(7, number);
  auto const found = check.findings();
  CHECK(found.disorder == 1);
  CHECK(found.duplicates == 0);
  CHECK(found.missing == 0);
  CHECK(found.distinct == 4);
}

TEST_CASE("an event that is begun before the one before it has ended is disorder") {
  OrderCheck check;
  check.begin(7, 0);
  check.begin(7, 1);
  check.end(7, 0);
  check.end(7, 1);
  CHECK(check.findings().disorder == 1);
}

TEST_CASE("an event that comes again is a duplicate, whenever it comes") {
  OrderCheck check;
  for (std::uint64_t const number : {0, 1, 1, 2, 0}) check.handled(7, number);
  auto const found = check.findings();
  CHECK(found.duplicates == 2);
  CHECK(found.disorder == 0);
  CHECK(found.distinct == 3);
}

TEST_CASE("an event that never comes is missing") {
  OrderCheck check;
  for (std::uint64_t const number : {0, 3}) check.handled(7, number);
  check.handled(8, 1);
  auto const found = check.findings();
  CHECK(found.missing == 3);
  CHECK(found.disorder == 2);
}

TEST_CASE("a number far ahead costs no more than a bounded number of gaps") {
  OrderCheck check;
  check.handled(7, 4'000'000'000);
  CHECK(check.findings().missing == 4'000'000'000);
}
