#include "flags/feature_flag.hpp"

#include "json/decode.hpp"

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>
#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::flags;

namespace {

/// A vector of schemas/flags/places.json, which another program made.
struct KnownPlace {
  std::string name, subject;
  std::int32_t place = 0;
};
BOOST_DESCRIBE_STRUCT(KnownPlace, (), (name, subject, place))
struct KnownPlaces {
  std::vector<KnownPlace> places;
};
BOOST_DESCRIBE_STRUCT(KnownPlaces, (), (places))

FeatureFlag share_of(std::int32_t share, std::string name = "omniscient_matching") {
  return {std::move(name), true, share, {}};
}

/// For how many of 10,000 subjects a flag is on.
int count_on(FeatureFlag const& flag) {
  int on = 0;
  for (int i = 0; i < 10'000; ++i) on += flag.is_on(std::to_string(i)) ? 1 : 0;
  return on;
}

}  // namespace

TEST_CASE("subjects have the places that the vectors say") {
  std::ifstream file{OMNIBUS_SOURCE_DIR "/schemas/flags/places.json"};
  std::string const text{std::istreambuf_iterator<char>{file}, {}};
  auto const known = json::decode<KnownPlaces>(text);
  REQUIRE(known.has_value());
  REQUIRE(known->places.size() == 50);
  for (auto const& each : known->places) {
    CAPTURE(each.subject);
    CHECK(place_of(each.name, each.subject) == each.place);
  }
}

TEST_CASE("a flag is on for its share of subjects") {
  CHECK(count_on(share_of(0)) == 0);
  CHECK(count_on(share_of(1'000)) == doctest::Approx(1'000).epsilon(0.1));
  CHECK(count_on(share_of(5'000)) == doctest::Approx(5'000).epsilon(0.05));
  CHECK(count_on(share_of(whole_share)) == 10'000);
}

TEST_CASE("a subject that is on stays on while the share grows") {
  for (int i = 0; i < 1'000; ++i) {
    auto was_on = false;
    for (std::int32_t share = 0; share <= whole_share; share += 500) {
      auto const is_on = share_of(share).is_on(std::to_string(i));
      CHECK((is_on || !was_on));
      was_on = is_on;
    }
    CHECK(was_on);
  }
}

TEST_CASE("flags do not choose the same subjects") {
  int both = 0;
  for (int i = 0; i < 10'000; ++i)
    both += share_of(5'000, "flag_1").is_on(std::to_string(i)) && share_of(5'000, "flag_2").is_on(std::to_string(i));
  CHECK(both == doctest::Approx(2'500).epsilon(0.1));
}

TEST_CASE("a listed subject is on whatever the share, and nobody is while the flag is disabled") {
  FeatureFlag flag{"omniscient_matching", true, 0, {"a:b"}};
  CHECK(flag.is_on("a:b"));
  CHECK_FALSE(flag.is_on("a:c"));
  CHECK_FALSE(flag.is_on_for_all());
  flag.enabled = false;
  CHECK_FALSE(flag.is_on("a:b"));
  flag.share = whole_share;
  CHECK_FALSE(flag.is_on("a:c"));
  CHECK_FALSE(flag.is_on_for_all());
}
