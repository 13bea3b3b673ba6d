#include "sealing/master_keys.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::sealing;

namespace {

MasterKeys keys(std::string current, std::string previous = {}) {
  return MasterKeys{{Secret{std::move(current)}, Secret{std::move(previous)}}};
}

}  // namespace

TEST_CASE("a key is unwrapped by the master key that wrapped it, and by that as the previous one") {
  auto const key = random_aes_key();
  auto const wrapped = keys("a master key that is long").wrap(key, "row 1");
  CHECK(keys("a master key that is long").unwrap(wrapped, "row 1") == key);
  CHECK(keys("another key, also long", "a master key that is long").unwrap(wrapped, "row 1") == key);
  CHECK_FALSE(keys("another key, also long").unwrap(wrapped, "row 1"));
  CHECK_FALSE(keys("a master key that is long").unwrap(wrapped, "row 2"));
  CHECK_FALSE(MasterKeys{}.unwrap(wrapped, "row 1"));
}

TEST_CASE("the current master key wraps") {
  auto const both = keys("another key, also long", "a master key that is long");
  CHECK(both.ids().size() == 2);
  CHECK(both.wrap(random_aes_key(), "").key_id == both.ids().front());
  CHECK_FALSE(MasterKeys{}.usable());
}

TEST_CASE("another secret wraps where there is no master key, and still opens once there is one") {
  auto const key = random_aes_key();
  MasterKeys const without{{}, "another secret"};
  CHECK(without.unwrap(without.wrap(key, "row 1"), "row 1") == key);
  MasterKeys const later{{Secret{"a master key that is long"}, {}}, "another secret"};
  CHECK(later.unwrap(without.wrap(key, "row 1"), "row 1") == key);
  CHECK_FALSE(without.unwrap(later.wrap(key, "row 1"), "row 1"));
}

TEST_CASE("a master key that is short, or only the previous one, names the setting") {
  CHECK_THROWS_WITH_AS(keys("short"), doctest::Contains("PII_MASTER_KEY "), config::ConfigError);
  CHECK_THROWS_WITH_AS(keys("", "a master key that is long"), doctest::Contains("PII_MASTER_KEY"), config::ConfigError);
  CHECK_THROWS_WITH_AS(keys("a master key that is long", "short"), doctest::Contains("PII_MASTER_KEY_PREVIOUS"),
                       config::ConfigError);
}
