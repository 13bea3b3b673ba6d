#include "sealing/key_cache.hpp"

#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::sealing;
using namespace std::chrono_literals;

namespace {

SubjectKey person_numbered(std::uint8_t number) {
  SubjectKey key;
  key.bytes.fill(number);
  return key;
}

SubjectCipher cipher_of(SubjectKey const& subject) {
  return {random_uuid(), subject, "shop.example", random_aes_key()};
}

KeyCache::Clock::time_point const start{};

}  // namespace

TEST_CASE("a key is found by its person and by its id until its time is over") {
  KeyCache cache{60s};
  auto const cipher = cache.put(cipher_of(person_numbered(1)), start);
  CHECK(cache.of(person_numbered(1), start + 59s) == cipher);
  CHECK(cache.by_id(cipher->key_id, start + 59s) == cipher);
  CHECK_FALSE(cache.of(person_numbered(1), start + 60s));
  CHECK_FALSE(cache.by_id(cipher->key_id, start + 60s));
  CHECK_FALSE(cache.of(person_numbered(2), start));
}

TEST_CASE("a destroyed key is known as such, and differs from one that is not here") {
  KeyCache cache;
  auto const id = random_uuid();
  CHECK_FALSE(cache.by_id(id, start));
  cache.put_destroyed(id, start);
  REQUIRE(cache.by_id(id, start));
  CHECK(*cache.by_id(id, start) == nullptr);
}

TEST_CASE("a person's newer key replaces the older one for sealing") {
  KeyCache cache;
  auto const before = cache.put(cipher_of(person_numbered(1)), start);
  auto const after = cache.put(cipher_of(person_numbered(1)), start);
  CHECK(cache.of(person_numbered(1), start) == after);
  CHECK(cache.by_id(before->key_id, start) == before);
}

TEST_CASE("all keys of a person are dropped at once, older ones too, and those of others stay") {
  KeyCache cache;
  auto const older = cache.put(cipher_of(person_numbered(1)), start);
  auto const newer = cache.put(cipher_of(person_numbered(1)), start);
  auto const other = cache.put(cipher_of(person_numbered(2)), start);
  cache.drop(std::vector{person_numbered(1)});
  CHECK_FALSE(cache.of(person_numbered(1), start));
  CHECK_FALSE(cache.by_id(older->key_id, start));
  CHECK_FALSE(cache.by_id(newer->key_id, start));
  CHECK(cache.of(person_numbered(2), start) == other);
}

TEST_CASE("a full cache makes room") {
  KeyCache cache{60s, 3};
  for (std::uint8_t number = 1; number <= 100; ++number) {
    cache.put(cipher_of(person_numbered(number)), start + std::chrono::seconds{number});
    CHECK(cache.of(person_numbered(number), start + std::chrono::seconds{number}));
  }
}
