#include "resilience/circuit_breaker.hpp"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

namespace omnibus {
namespace {

using State = CircuitBreaker::State;
using std::chrono::milliseconds;

struct Fixture {
  std::vector<State> entered;
  CircuitBreaker breaker{{}, [this](State state) { entered.push_back(state); }};
  CircuitBreaker::Clock::time_point now{std::chrono::hours(1)};

  void fail(int times = 1) {
    for (auto i = 0; i < times; ++i) breaker.acquire(now).value().failed(now);
  }
  void succeed() { breaker.acquire(now).value().succeeded(); }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "five failures in a row open a breaker, with a success between them it stays closed") {
  fail(4);
  succeed();
  fail(4);
  CHECK(breaker.state() == State::closed);
  fail();
  CHECK(breaker.state() == State::open);
  CHECK_FALSE(breaker.acquire(now));
  CHECK(breaker.wait_time(now) == milliseconds(60'000));
}

TEST_CASE_FIXTURE(Fixture, "after its time a breaker lets one probe through, whose success closes it") {
  fail(5);
  now += milliseconds(59'999);
  CHECK_FALSE(breaker.acquire(now));
  now += milliseconds(1);
  auto probe = breaker.acquire(now);
  REQUIRE(probe);
  CHECK(breaker.state() == State::half_open);
  CHECK_FALSE(breaker.acquire(now));
  probe->succeeded();
  CHECK(breaker.state() == State::closed);
  CHECK(breaker.acquire(now));
  CHECK(entered == std::vector{State::open, State::half_open, State::closed});
}

TEST_CASE_FIXTURE(Fixture, "a failed probe opens the breaker for its whole time again") {
  fail(5);
  now += milliseconds(60'000);
  fail();
  CHECK(breaker.state() == State::open);
  CHECK(breaker.wait_time(now) == milliseconds(60'000));
}

TEST_CASE_FIXTURE(Fixture, "a probe that is dropped makes room for another") {
  fail(5);
  now += milliseconds(60'000);
  { auto const dropped = breaker.acquire(now); }
  CHECK(breaker.acquire(now));
}

TEST_CASE_FIXTURE(Fixture, "calls that began before the breaker opened do not count afterwards") {
  auto early_success = breaker.acquire(now);
  auto early_failure = breaker.acquire(now);
  fail(5);
  early_success->succeeded();
  CHECK(breaker.state() == State::open);
  now += milliseconds(60'000);
  auto probe = breaker.acquire(now);
  early_failure->failed(now);
  CHECK(breaker.state() == State::half_open);
  probe->succeeded();
  CHECK(breaker.state() == State::closed);
}

TEST_CASE("every key has a breaker of its own, and the listener learns whose state changed") {
  std::vector<std::string> seen;
  CircuitBreakers breakers({1, milliseconds(10)}, [&](std::string const& key, State state) {
    seen.push_back(key + " " + std::string(to_string(state)));
  });
  CircuitBreaker::Clock::time_point const now{};
  breakers.at("a").acquire(now)->failed(now);
  CHECK_FALSE(breakers.at("a").acquire(now));
  CHECK(breakers.at("b").acquire(now));
  CHECK(seen == std::vector<std::string>{"a open"});
}

TEST_CASE("threads that share breakers open one after as many failures as one thread would") {
  std::atomic<int> opened{0};
  CircuitBreakers breakers({8, milliseconds(60'000)}, [&](std::string const&, State) { ++opened; });
  CircuitBreaker::Clock::time_point const now{};
  std::atomic<int> let_through{0};
  std::vector<std::thread> threads;
  for (auto i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (auto call = 0; call < 4; ++call) {
        auto permit = breakers.at("a").acquire(now);
        if (!permit) continue;
        ++let_through;
        permit->failed(now);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(breakers.at("a").state() == State::open);
  CHECK(opened == 1);
  CHECK(let_through >= 8);
  CHECK(let_through <= 11);  // those of the other three that had begun
}

}  // namespace omnibus
