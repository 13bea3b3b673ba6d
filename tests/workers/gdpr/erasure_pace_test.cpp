#include "workers/gdpr/erasure/erasure_pace.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::gdpr;
using namespace std::chrono_literals;

TEST_CASE("a few erasures go on at a time, and another one when one of them has ended") {
  boost::asio::io_context loop;
  ErasurePace pace{4};
  std::vector<std::optional<ErasurePace::Turn>> turns(10);
  auto const going_on = [&turns] {
    return std::ranges::count_if(turns, [](auto const& turn) { return turn.has_value(); });
  };
  for (auto& turn : turns)
    boost::asio::co_spawn(
        loop,
        [&pace, &turn]() -> Task<> {
          auto waiting = pace.turn();
          turn.emplace(co_await std::move(waiting));
        },
        boost::asio::detached);
  loop.run_for(250ms);
  CHECK(going_on() == 4);
  std::ranges::find_if(turns, [](auto const& turn) { return turn.has_value(); })->reset();
  loop.run_for(250ms);
  CHECK(going_on() == 4);
  for (std::size_t left = turns.size(); left > 0 && !loop.stopped(); --left) {
    for (auto& turn : turns) turn.reset();
    loop.run_for(250ms);
  }
  CHECK(loop.stopped());
}
