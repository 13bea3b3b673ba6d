#include "workers/notify/config.hpp"

#include <stdexcept>

#include <doctest/doctest.h>

using namespace omnibus::notify;
using namespace std::chrono_literals;

TEST_CASE("the settings as they come go together") {
  CHECK_NOTHROW(check(NotifySettings{}));
}

TEST_CASE("a lease that a send may outlast is refused, by the names of both settings") {
  NotifySettings settings;
  settings.claim_lease = settings.send.deadline + 1s;
  CHECK_NOTHROW(check(settings));
  settings.claim_lease -= 1ms;
  auto const* const named =
      "another worker would take over what is being sent: CLAIM_LEASE (30999 ms) must be longer than SEND_DEADLINE "
      "(30000 ms) by 1000 ms at least";
  CHECK_THROWS_WITH_AS(check(settings), named, std::invalid_argument);
}
