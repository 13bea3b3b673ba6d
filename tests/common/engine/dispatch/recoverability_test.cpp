#include "engine/dispatch/recoverability.hpp"

#include <cmath>
#include <cstdint>

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using omnibus::Failure;
using omnibus::engine::Decision;
using omnibus::engine::RecoverabilitySettings;
using Action = Decision::Action;

namespace {

constexpr RecoverabilitySettings settings{
    .max_attempts = 8, .base_delay = 200ms, .longest_delay = 5s, .longest_requested = 60s};
auto const almost_one = std::nextafter(1.0, 0.0);

std::chrono::milliseconds ceiling_of(std::uint32_t attempts) {
  return std::min<std::chrono::milliseconds>(settings.longest_delay, settings.base_delay * (1LL << (attempts - 1)));
}

}  // namespace

TEST_CASE("back-off is spread over the whole span below its upper end") {
  auto const failure = Failure::transient("busy");
  for (std::uint32_t attempts = 1; attempts < settings.max_attempts; ++attempts) {
    CAPTURE(attempts);
    auto const ceiling = ceiling_of(attempts);
    CHECK(decide(failure, attempts, settings, 0).action == Action::retry);
    CHECK(decide(failure, attempts, settings, 0).delay == 0ms);
    CHECK(decide(failure, attempts, settings, 0.5).delay == ceiling / 2);
    auto const longest = decide(failure, attempts, settings, almost_one).delay;
    CHECK(longest <= ceiling);
    CHECK(longest >= ceiling - 1ms);
  }
}

TEST_CASE("the upper end of the back-off doubles from the base and stops at the longest delay") {
  CHECK(ceiling_of(1) == 200ms);
  auto const failure = Failure::transient("busy");
  CHECK(decide(failure, 1, settings, 0.5).delay == 100ms);
  CHECK(decide(failure, 2, settings, 0.5).delay == 200ms);
  CHECK(decide(failure, 3, settings, 0.5).delay == 400ms);
  CHECK(decide(failure, 7, settings, 0.5).delay == 2'500ms);
}

TEST_CASE("no number of attempts overflows the delay") {
  auto patient = settings;
  patient.max_attempts = 0xFFFF'FFFF;
  for (auto const attempts : {20U, 31U, 32U, 33U, 64U, 1'000'000U, 0xFFFF'FFFEU}) {
    CAPTURE(attempts);
    CHECK(decide(Failure::transient("busy"), attempts, patient, 0.5).delay == 2'500ms);
  }
}

TEST_CASE("a delay that was asked for is honoured, never shortened, and spread by a tenth at most") {
  auto const failure = Failure::transient("slow down", 7s);
  CHECK(decide(failure, 1, settings, 0).delay == 7s);
  CHECK(decide(failure, 5, settings, 0).delay == 7s);
  auto const longest = decide(failure, 1, settings, almost_one).delay;
  CHECK(longest > 7s);
  CHECK(longest <= 7'700ms);
}

TEST_CASE("a delay that was asked for may exceed the longest back-off, but not its own cap") {
  CHECK(decide(Failure::transient("slow down", 30s), 1, settings, 0).delay == 30s);
  CHECK(decide(Failure::transient("slow down", 1h), 1, settings, 0).delay == 60s);
  CHECK(decide(Failure::transient("slow down", 24h * 365), 1, settings, almost_one).delay <= 66s);
}

TEST_CASE("a delay that was asked for is never negative") {
  CHECK(decide(Failure::transient("clock skew", -5s), 1, settings, almost_one).delay == 0ms);
}

TEST_CASE("the last attempt that fails is dead-lettered, also where a delay was asked for") {
  CHECK(decide(Failure::transient("busy"), 7, settings, 0).action == Action::retry);
  CHECK(decide(Failure::transient("busy"), 8, settings, 0).action == Action::dead_letter);
  CHECK(decide(Failure::transient("busy"), 9, settings, 0).action == Action::dead_letter);
  CHECK(decide(Failure::transient("busy", 1s), 8, settings, 0).action == Action::dead_letter);
}

TEST_CASE("a permanent failure is dead-lettered at once") {
  CHECK(decide(Failure::permanent("bad"), 1, settings, 0).action == Action::dead_letter);
}

TEST_CASE("a deferral is tried again, ever later, however often it was met") {
  auto const failure = Failure::deferred("the provider is away");
  for (auto const times : {1U, 8U, 9U, 1'000U, 0xFFFF'FFFFU})
    CHECK(decide(failure, times, settings, 0.5).action == Action::retry);
  CHECK(decide(failure, 1, settings, 0).delay == 500ms);
  CHECK(decide(failure, 1, settings, almost_one).delay <= 1s);
  CHECK(decide(failure, 4, settings, 0).delay == 4s);
  CHECK(decide(failure, 5, settings, 0).delay == 8s);
  for (auto const times : {8U, 1'000U, 0xFFFF'FFFFU}) {
    CHECK(decide(failure, times, settings, 0).delay >= 30s);
    CHECK(decide(failure, times, settings, almost_one).delay <= settings.longest_requested);
  }
}

TEST_CASE("a deferral is not tried again before the time that was asked for, nor sooner than before") {
  CHECK(decide(Failure::deferred("open", 20s), 1, settings, 0).delay == 20s);
  CHECK(decide(Failure::deferred("open", 20s), 1, settings, almost_one).delay <= 22s);
  CHECK(decide(Failure::deferred("open", 1s), 6, settings, 0).delay == 16s);
  CHECK(decide(Failure::deferred("open", 1h), 1, settings, 0).delay == 60s);
}

TEST_CASE("no retry comes later than the handler can use it") {
  for (auto const random : {0.0, 0.5, almost_one}) {
    CHECK(decide(Failure::transient("busy", {}, 0ms), 7, settings, random).delay == 0ms);
    CHECK(decide(Failure::transient("busy", 5s, 5s), 7, settings, random).delay == 5s);
    CHECK(decide(Failure::deferred("open", 20s, 300ms), 1, settings, random).delay == 300ms);
    CHECK(decide(Failure::deferred("open", {}, 1s), 1'000, settings, random).delay == 1s);
    CHECK(decide(Failure::deferred("open", {}, -1s), 1, settings, random).delay == 0ms);
  }
  CHECK(decide(Failure::transient("busy", {}, 1min), 2, settings, 0.5).delay == 200ms);
  CHECK(decide(Failure::deferred("open", 20s, 1min), 1, settings, 0).delay == 20s);
}

TEST_CASE("an outage pauses, however often it was met") {
  for (auto const attempts : {0U, 1U, 8U, 1'000U})
    CHECK(decide(Failure::outage("database"), attempts, settings, 0.5).action == Action::pause);
}
