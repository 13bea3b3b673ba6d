#include "workers/cli/lag/lag.hpp"

#include <stdexcept>

#include <doctest/doctest.h>

using namespace omnibus::cli;

namespace {

LagReport one(std::int64_t lag, std::optional<double> seconds, bool replay = false) {
  return {"now", {{"omnibus-chat", "Stable", 1, replay, {{"orders", 0, 5, 0, 5 + lag, lag, seconds}}}}};
}

}  // namespace

TEST_CASE("a limit of lag is events or a time") {
  CHECK(read_lag_limit("1000").events == 1000);
  CHECK(read_lag_limit("5m").seconds == 300);
  for (auto const* const wrong : {"", "-1", "1.5", "many", "5 m", "s"})
    CHECK_THROWS_AS(read_lag_limit(wrong), std::invalid_argument);
}

TEST_CASE("lag is too much beyond the limit, where its age is unknown, and never in a replay") {
  CHECK_FALSE(is_over(one(10, 1.0), {10, {}}));
  CHECK(is_over(one(11, 1.0), {10, {}}));
  CHECK_FALSE(is_over(one(11, 30.0), {{}, 30}));
  CHECK(is_over(one(11, 30.1), {{}, 30}));
  CHECK(is_over(one(11, {}), {{}, 30}));
  CHECK_FALSE(is_over(one(0, 0.0), {{}, 0}));
  CHECK_FALSE(is_over(one(11, {}, true), {{}, 30}));
  CHECK_FALSE(is_over(one(11, 99.0, true), {10, {}}));
}

TEST_CASE("a group without partitions is shown, a replay is marked, and an unknown age is not made up") {
  LagReport report = one(7, {}, true);
  report.groups.push_back({"idle", "Empty", 0, false, {}});
  auto const table = lag_table(report);
  CHECK(table.find("omnibus-chat (replay)  Stable  1        orders  0          5          12   7    unknown") !=
        std::string::npos);
  CHECK(table.find("idle                   Empty   0        -") != std::string::npos);
  CHECK(is_replay_group("omnibus-chat-replay-r1"));
  CHECK_FALSE(is_replay_group("omnibus-chat"));
  CHECK(lag_table({"now", {}}) == "no consumer groups\n");
}
