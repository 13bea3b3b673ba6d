#include "resilience/retry_budget.hpp"

#include <doctest/doctest.h>

namespace omnibus {

TEST_CASE("in an outage, retries stay within a fifth of the calls and the floor") {
  RetryBudget budget;
  auto now = RetryBudget::Clock::time_point(std::chrono::hours(1));
  auto retries = 0;
  for (auto second = 0; second < 100; ++second) {
    for (auto call = 0; call < 100; ++call) {
      now += std::chrono::milliseconds(10);
      budget.earn();
      while (budget.spend(now)) ++retries;
    }
  }
  CHECK(retries >= 2000);
  CHECK(retries <= 2000 + 100 + 10);
}

TEST_CASE("a quiet worker can retry") {
  RetryBudget budget;
  auto now = RetryBudget::Clock::time_point(std::chrono::hours(1));
  while (budget.spend(now)) {
  }
  now += std::chrono::seconds(1);
  CHECK(budget.spend(now));
  CHECK_FALSE(budget.spend(now));
}

}  // namespace omnibus
