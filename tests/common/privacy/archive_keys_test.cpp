#include "privacy/archive_keys.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::privacy;

namespace {

MasterKeySettings settings(std::string current, std::string previous = {}) {
  return {Secret{std::move(current)}, Secret{std::move(previous)}};
}

}  // namespace

TEST_CASE("an archive's key opens with the master key that wrapped it, and for that archive alone") {
  ArchiveKeys const keys{settings("the master key"), "the profile secret"};
  auto const key = random_aes_key();
  auto const wrapped = keys.wrap(key, "this archive");
  CHECK(keys.unwrap(wrapped, "this archive") == key);
  CHECK_FALSE(keys.unwrap(wrapped, "another archive"));
  CHECK_FALSE(ArchiveKeys{settings("another master key"), "the profile secret"}.unwrap(wrapped, "this archive"));
  auto cut = wrapped;
  cut.sealed.resize(5);
  CHECK_FALSE(keys.unwrap(cut, "this archive"));
}

TEST_CASE("while a master key is replaced, both open and the new one wraps") {
  ArchiveKeys const before{settings("old"), ""};
  ArchiveKeys const meanwhile{settings("new", "old"), ""};
  ArchiveKeys const after{settings("new"), ""};
  auto const key = random_aes_key();
  CHECK(meanwhile.unwrap(before.wrap(key, "a"), "a") == key);
  CHECK(after.unwrap(meanwhile.wrap(key, "a"), "a") == key);
  CHECK_FALSE(after.unwrap(before.wrap(key, "a"), "a"));
}

TEST_CASE("without a master key the profile secret wraps, and without both nothing does") {
  auto const key = random_aes_key();
  ArchiveKeys const keys{settings(""), "the profile secret"};
  CHECK(keys.unwrap(keys.wrap(key, "a"), "a") == key);
  // One that is set later wraps from then on, and what is stored still opens.
  CHECK(ArchiveKeys{settings("master"), "the profile secret"}.unwrap(keys.wrap(key, "a"), "a") == key);
  CHECK_FALSE(ArchiveKeys{settings(""), ""}.usable());
}

TEST_CASE("a part opens only at its place") {
  auto const key = random_aes_key();
  auto const sealed = seal_part(key, 300, "bytes");
  CHECK(open_part(key, 300, sealed) == "bytes");
  CHECK_FALSE(open_part(key, 301, sealed));
  CHECK_FALSE(open_part(random_aes_key(), 300, sealed));
}
