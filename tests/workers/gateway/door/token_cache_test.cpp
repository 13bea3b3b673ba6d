#include "workers/gateway/door/token_cache.hpp"

#include "workers/gateway/door/authentication.hpp"

#include <doctest/doctest.h>

using namespace omnibus::gateway;
using namespace std::chrono_literals;

namespace {
TokenCache::Clock::time_point const start{1h};
}

TEST_CASE("a token is believed until its time is up") {
  TokenCache cache(10, 5s);
  auto const token = hash_token("secret");
  CHECK_FALSE(cache.find(token, start));
  cache.put(token, Principal{"shop.example", Role::service}, start);
  auto const known = cache.find(token, start + 4999ms);
  REQUIRE(known);
  REQUIRE(*known);
  CHECK((*known)->domain == "shop.example");
  CHECK_FALSE(cache.find(token, start + 5s));
  CHECK(cache.size() == 0);
}

TEST_CASE("a token known to be bad is not asked for again at once") {
  TokenCache cache(10, 5s);
  cache.put(hash_token("guess"), std::nullopt, start);
  auto const known = cache.find(hash_token("guess"), start);
  REQUIRE(known);
  CHECK_FALSE(known->has_value());
}

TEST_CASE("the cache forgets the token that was not used the longest") {
  TokenCache cache(2, 5s);
  cache.put(hash_token("a"), Principal{"a", Role::service}, start);
  cache.put(hash_token("b"), Principal{"b", Role::service}, start);
  CHECK(cache.find(hash_token("a"), start));
  cache.put(hash_token("c"), Principal{"c", Role::service}, start);
  CHECK(cache.size() == 2);
  CHECK(cache.find(hash_token("a"), start));
  CHECK_FALSE(cache.find(hash_token("b"), start));
}

TEST_CASE("a bearer token is read from its header, and nothing else is") {
  CHECK(bearer_token("Bearer abc.DEF-_~+/=") == "abc.DEF-_~+/=");
  CHECK(bearer_token("bearer   abc") == "abc");
  for (auto const* header : {"", "Bearer", "Bearer ", "Basic abc", "abc", "Bearer a b", "Bearer a\tb", "Bearer \xff"})
    CHECK_FALSE(bearer_token(header));
  CHECK_FALSE(bearer_token("Bearer " + std::string(513, 'a')));
}
