#include "workers/match/shortlist.hpp"

#include <algorithm>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::match;

namespace {

Uuid person(int number) {
  Uuid id;
  id.bytes[14] = static_cast<std::uint8_t>(number / 256);
  id.bytes[15] = static_cast<std::uint8_t>(number % 256);
  return id;
}

/// Pairs of person 0 with 1, 2, ...
std::vector<Pair> one_with_many(int many) {
  std::vector<Pair> pairs;
  for (int i = 1; i <= many; ++i) pairs.push_back(pair_of(person(i), person(0)));
  return pairs;
}

}  // namespace

TEST_CASE("a pair is the same in whichever order its people are named") {
  auto const pair = pair_of(person(2), person(1));
  CHECK(pair == pair_of(person(1), person(2)));
  CHECK(pair.a == person(1));
  CHECK(key_of(pair) == "00000000-0000-0000-0000-000000000001:00000000-0000-0000-0000-000000000002");
}

TEST_CASE("a batch gives nobody more matches than it may") {
  auto pairs = one_with_many(1000);
  CHECK(spread_fairly(pairs, 20, 5000).size() == 20);
  pairs.push_back(pair_of(person(1), person(2)));
  auto const taken = spread_fairly(pairs, 20, 5000);
  REQUIRE(taken.size() == 21);
  CHECK(taken.front() == pairs.front());
  CHECK(taken.back() == pairs.back());
  CHECK(spread_fairly(pairs, 20, 7).size() == 7);
  CHECK(spread_fairly({}, 20, 7).empty());
}

TEST_CASE("a model chooses from the pairs around the end of the batch") {
  auto const small = shorten(1000, 5);
  CHECK(small.kept == 0);
  CHECK(small.offered == 105);
  CHECK(small.wanted == 5);
  auto const usual = shorten(1000, 200);
  CHECK(usual.kept == 100);
  CHECK(usual.offered == 200);
  CHECK(usual.wanted == 100);
  auto const close = shorten(201, 200);
  CHECK(close.offered == 101);
}

TEST_CASE("a batch has what is kept, what was chosen, and what comes next where too few were chosen") {
  auto const pairs = one_with_many(6);
  Shortening const shortening{1, 5, 3};
  CHECK(take(pairs, shortening, {}) == std::vector{pairs[0], pairs[1], pairs[2], pairs[3]});
  CHECK(take(pairs, shortening, {5, 2, 4}) == std::vector{pairs[0], pairs[2], pairs[4], pairs[5]});
  CHECK(take(pairs, shortening, {5}) == std::vector{pairs[0], pairs[1], pairs[2], pairs[5]});
}

TEST_CASE("only numbers that were given may be chosen, and no more than wanted") {
  Shortening const shortening{1, 5, 3};
  CHECK_FALSE(check({{1, 5, 3}}, shortening));
  CHECK(check({{6}}, shortening));
  CHECK(check({{0}}, shortening));
  CHECK(check({{1, 2, 3, 4}}, shortening));
}
