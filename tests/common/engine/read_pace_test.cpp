#include "engine/read_pace.hpp"

#include <chrono>

#include <doctest/doctest.h>

using namespace omnibus::engine;
using namespace std::chrono_literals;

TEST_CASE("a pace lets a burst through at once, and then its rate") {
  ReadPace pace;
  auto now = ReadPace::Clock::time_point{} + 1h;
  constexpr ReadPace::Limit limit{10, 100};
  CHECK(pace.allowed(now, limit) == 100);
  pace.read(100);
  CHECK(pace.allowed(now, limit) == 0);
  CHECK(pace.allowed(now += 9ms, limit) == 0);
  CHECK(pace.next() == now + 1ms);
  CHECK(pace.allowed(now += 1ms, limit) == 10);
  pace.read(10);
  std::size_t read = 0;
  for (int i = 0; i < 1'000; ++i) {
    auto const allowed = pace.allowed(now += 3ms, limit);
    pace.read(allowed);
    read += allowed;
  }
  CHECK(read == 3'000);
}

TEST_CASE("a pace saves what is not read, up to its burst") {
  ReadPace pace;
  auto now = ReadPace::Clock::time_point{} + 1h;
  constexpr ReadPace::Limit limit{10, 100};
  pace.allowed(now, limit);
  pace.read(100);
  CHECK(pace.allowed(now += 50ms, limit) == 50);
  CHECK(pace.allowed(now += 1h, limit) == 100);
  CHECK(pace.allowed(now, {10, 16}) == 16);
}
