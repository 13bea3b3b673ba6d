#include "resilience/retry_budget.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using omnibus::RetryBudget;

namespace {

constexpr RetryBudget::Clock::time_point start{1h};

int spend_all(RetryBudget& budget, RetryBudget::Clock::time_point now) {
  int spent = 0;
  while (spent < 10'000 && budget.spend(now)) ++spent;
  return spent;
}

}  // namespace

TEST_CASE("a worker that has just begun may retry a little") {
  RetryBudget budget{0.2, 0};
  CHECK(spend_all(budget, start) == 10);
  CHECK_FALSE(budget.spend(start + 1h));
}

TEST_CASE("every so many first attempts earn a retry") {
  RetryBudget budget{0.25, 0};
  spend_all(budget, start);
  for (int i = 0; i < 40; ++i) budget.earn();
  CHECK(spend_all(budget, start) == 10);
}

TEST_CASE("no more is saved up than allowed") {
  RetryBudget budget{1, 0, 20};
  for (int i = 0; i < 1'000; ++i) budget.earn();
  CHECK(spend_all(budget, start) == 20);

  RetryBudget small{1, 0, 3};
  CHECK(spend_all(small, start) == 3);
}

TEST_CASE("a small rate is free, however quiet the worker") {
  RetryBudget budget{0, 2};
  spend_all(budget, start);
  CHECK_FALSE(budget.spend(start + 250ms));
  CHECK(budget.spend(start + 500ms));
  CHECK_FALSE(budget.spend(start + 500ms));
  CHECK(spend_all(budget, start + 5s + 500ms) == 10);
}

TEST_CASE("the free rate is saved up to the limit as well") {
  RetryBudget budget{0, 1, 15};
  spend_all(budget, start);
  CHECK(spend_all(budget, start + 1h) == 15);
}
