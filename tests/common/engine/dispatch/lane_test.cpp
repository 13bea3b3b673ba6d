#include "engine/dispatch/lane.hpp"

#include <doctest/doctest.h>

using namespace omnibus::engine;

TEST_CASE("the numbers of lanes, which rows of the database name, are the same in every build") {
  CHECK(lane_hash("") == 6142509188972423790U);
  CHECK(lane_hash("key-0") == 14789006193094771391U);
  CHECK(lane_hash("01234567-89ab-7def-8123-456789abcdef") == 4924109164669504809U);
}
