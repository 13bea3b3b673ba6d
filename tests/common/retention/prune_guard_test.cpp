#include "retention/prune_guard.hpp"

#include <doctest/doctest.h>

using namespace omnibus::retention;
using std::chrono::hours;
using std::chrono::milliseconds;

TEST_CASE("a run that would take more than half of the table is stopped, half of it is not") {
  CHECK_FALSE(reason_to_stop({0, 0}));
  CHECK_FALSE(reason_to_stop({0, 10}));
  CHECK_FALSE(reason_to_stop({5, 10}));
  CHECK(reason_to_stop({6, 10}) == "more_than_half");
  CHECK(reason_to_stop({1, 1}) == "more_than_half");
  CHECK_FALSE(cutoff_jump({10, 10}));
}

TEST_CASE("a run whose cut-off is more than 8.5 days from the last one's is stopped, whichever way the clock went") {
  for (auto guard : {&reason_to_stop, &cutoff_jump}) {
    CHECK_FALSE(guard({0, 10, hours{7 * 24}}));
    CHECK_FALSE(guard({0, 10, hours{8 * 24} + milliseconds{1}}));  // the week with 29 February 2028, run a bit late
    CHECK_FALSE(guard({0, 10, hours{8 * 24 + 12}}));
    CHECK(guard({0, 10, hours{8 * 24 + 12} + milliseconds{1}}) == "cutoff_jump");
    CHECK(guard({0, 10, hours{365 * 24}}) == "cutoff_jump");
    CHECK(guard({0, 10, -hours{9 * 24}}) == "cutoff_jump");
  }
}

TEST_CASE("batches grow while they are quick, never above the most, and shrink when one was slow") {
  BatchSize size{5'000};
  CHECK(size.rows() < 5'000);
  for (int i = 0; i < 10; ++i) size.took(milliseconds{5});
  CHECK(size.rows() == 5'000);
  size.took(milliseconds{40});
  CHECK(size.rows() == 5'000);
  size.took(milliseconds{200});
  CHECK(size.rows() == 625);
  for (int i = 0; i < 10; ++i) size.took(milliseconds{10'000});
  CHECK(size.rows() == 50);
  BatchSize tiny{10};
  CHECK(tiny.rows() == 10);
  tiny.took(milliseconds{10'000});
  CHECK(tiny.rows() == 10);
}
