#include "http/timer_wheel.hpp"

#include <random>
#include <vector>

#include <doctest/doctest.h>

namespace omnibus::http {

TEST_CASE("every deadline passes once, not before its time and at most a tick after it") {
  using Clock = TimerWheel::Clock;
  using std::chrono::milliseconds;
  auto now = Clock::time_point(std::chrono::hours(1000));
  TimerWheel wheel(now);
  std::mt19937 random(7);
  std::vector<WheelEntry> entries(2000);
  std::size_t expected = 0;
  for (auto& entry : entries) wheel.set(entry, now + milliseconds(random() % 30000));
  for (std::size_t i = 0; i < entries.size(); i += 5) TimerWheel::clear(entries[i]);
  for (std::size_t i = 1; i < entries.size(); i += 5) wheel.set(entries[i], now + milliseconds(random() % 60000));
  for (auto const& entry : entries) expected += entry.is_linked() ? 1 : 0;
  std::size_t expired = 0;
  auto before = now;
  while (now < Clock::time_point(std::chrono::hours(1000)) + milliseconds(61000)) {
    before = now;
    now += milliseconds(1 + random() % 900);
    wheel.turn(now, [&](WheelEntry& entry) {
      ++expired;
      CHECK(entry.deadline <= now);
      CHECK(entry.deadline > before - 2 * TimerWheel::tick);
    });
  }
  CHECK(expired == expected);
}

TEST_CASE("an expired entry may set itself anew and take others with it") {
  auto now = TimerWheel::Clock::time_point(std::chrono::hours(1));
  TimerWheel wheel(now);
  WheelEntry first, second;
  wheel.set(first, now);
  wheel.set(second, now);
  auto calls = 0;
  auto const turn = [&] {
    now += std::chrono::milliseconds(100);
    wheel.turn(now, [&](WheelEntry& entry) {
      ++calls;
      TimerWheel::clear(&entry == &first ? second : first);
      wheel.set(entry, now);
    });
  };
  turn();
  CHECK(calls == 1);
  turn();
  CHECK(calls == 2);
}

}  // namespace omnibus::http
