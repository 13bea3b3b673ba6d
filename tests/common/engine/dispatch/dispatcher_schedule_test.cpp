// Randomised schedules: whatever attempts end with and whenever partitions come and go, the dispatcher is held against
// a simple model of what it promises.
#include "dispatcher_schedule.hpp"

#include <cstdint>

#include <doctest/doctest.h>

using namespace omnibus::engine::test;

namespace {

void holds_for(Play const& play, std::uint64_t seeds = 6) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    CAPTURE(seed);
    Schedule schedule{play, seed};
    schedule.run();
    CHECK((schedule.runs_read() > 0) == (play.largest_record > 0));
    for (auto const& each : schedule.breaks()) {
      auto const& sentence = each.first;
      auto const& count = each.second;
      CAPTURE(count);
      FAIL_CHECK(sentence);
    }
  }
}

}  // namespace

TEST_CASE("every promise holds when some attempts fail") {
  holds_for({.retry = 10});
}

TEST_CASE("every promise holds with one place for all") {
  holds_for({.deliveries = 500, .max_in_flight = 1});
}

TEST_CASE("every promise holds with more places than keys") {
  holds_for({.keys = 10, .max_in_flight = 1'000});
}

TEST_CASE("every promise holds with thousands of keys") {
  holds_for({.deliveries = 10'000, .keys = 5'000}, 3);
}

TEST_CASE("every promise holds through outages") {
  holds_for({.deliveries = 800, .outage = 3});
}

TEST_CASE("every promise holds while partitions are fenced and opened again") {
  holds_for({.hold = 3, .opens_late = 80});
}

TEST_CASE("every promise holds while partitions are drained") {
  holds_for({.retry = 10, .drain = 10, .opens_late = 30});
}

TEST_CASE("every promise holds while partitions are lost") {
  holds_for({.retry = 10, .drop = 10, .opens_late = 30});
}

TEST_CASE("every promise holds when deliveries are abandoned") {
  holds_for({.abandon = 1, .drain = 2, .drop = 2});
}

TEST_CASE("every promise holds under everything at once") {
  holds_for(
      {.deliveries = 1'500, .retry = 5, .outage = 1, .hold = 2, .abandon = 1, .drain = 3, .drop = 3, .opens_late = 30},
      30);
}

TEST_CASE("every promise holds under everything at once where keys of different partitions collide") {
  holds_for({.deliveries = 1'500,
             .retry = 5,
             .outage = 1,
             .hold = 2,
             .abandon = 1,
             .drain = 3,
             .drop = 3,
             .opens_late = 30,
             .keys_cross_partitions = true},
            20);
}

TEST_CASE("every promise holds while tenants take turns") {
  holds_for({.retry = 10, .outage = 1, .drain = 3, .tenants = 7});
}

TEST_CASE("every promise holds while records are dropped from memory and read again") {
  holds_for({.retry = 10, .tenants = 5, .max_bytes = 1'000'000, .largest_record = 5'000});
}

TEST_CASE("every promise holds where records are larger than the memory for them") {
  holds_for({.deliveries = 800, .tenants = 3, .max_bytes = 500'000, .largest_record = 600'000}, 3);
}

TEST_CASE("every promise holds while records that were dropped cannot be read, or are gone") {
  holds_for(
      {.deliveries = 800, .tenants = 3, .max_bytes = 600'000, .largest_record = 5'000, .gone = 5, .unreadable = 1}, 2);
}

TEST_CASE("every promise holds under everything at once while records are read again") {
  holds_for({.deliveries = 1'500,
             .retry = 5,
             .outage = 1,
             .hold = 2,
             .abandon = 1,
             .drain = 3,
             .drop = 3,
             .opens_late = 30,
             .keys_cross_partitions = true,
             .tenants = 6,
             .max_bytes = 700'000,
             .largest_record = 5'000,
             .gone = 3},
            20);
}
