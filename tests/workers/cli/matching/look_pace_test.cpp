#include "workers/cli/matching/look_pace.hpp"

#include <doctest/doctest.h>

using namespace omnibus::cli;
using namespace std::chrono_literals;

TEST_CASE("a command looks more and more rarely without news, and gives up after an hour") {
  LookPace pace;
  for (auto const pause : {500ms, 1000ms, 2000ms, 4000ms, 8000ms, 10'000ms, 10'000ms}) CHECK(pace.next() == pause);
  pace.found();
  CHECK(pace.next() == 500ms);
  int looks = 1;
  auto waited = 500ms;
  for (auto pause = pace.next(); pause; pause = pace.next(), ++looks) waited += *pause;
  CHECK(looks < 400);
  CHECK(waited >= 1h);
  CHECK(waited < 1h + 10s);
  CHECK_FALSE(pace.next());
}
