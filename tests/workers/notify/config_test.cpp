#include "workers/notify/config.hpp"

#include <stdexcept>

#include <doctest/doctest.h>

using namespace omnibus::notify;
using namespace std::chrono_literals;

TEST_CASE("the settings as they come go together") {
  CHECK_NOTHROW(check(NotifySettings{}, 8));
}

TEST_CASE("a lease that a send may outlast is refused, by the names of both settings") {
  NotifySettings settings;
  settings.claim_lease = settings.send.deadline + 1s;
  CHECK_NOTHROW(check(settings, 8));
  settings.claim_lease -= 1ms;
  auto const* const named =
      "another worker would take over what is being sent: CLAIM_LEASE (30999 ms) must be longer than SEND_DEADLINE "
      "(30000 ms) by 1000 ms at least";
  CHECK_THROWS_WITH_AS(check(settings, 8), named, std::invalid_argument);
}

TEST_CASE("as many attempts at a message as at its request are refused, by the names of both settings") {
  NotifySettings settings;
  CHECK_NOTHROW(check(settings, 7));
  auto const* const named =
      "a request would be given up before its messages have ended: SEND_MAX_ATTEMPTS (6) must be less than "
      "MAX_ATTEMPTS (6)";
  CHECK_THROWS_WITH_AS(check(settings, 6), named, std::invalid_argument);
}
