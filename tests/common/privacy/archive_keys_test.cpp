#include "privacy/archive_keys.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::privacy;

TEST_CASE("a part opens only at its place") {
  auto const key = random_aes_key();
  auto const sealed = seal_part(key, 300, "bytes");
  CHECK(open_part(key, 300, sealed) == "bytes");
  CHECK_FALSE(open_part(key, 301, sealed));
  CHECK_FALSE(open_part(random_aes_key(), 300, sealed));
}
