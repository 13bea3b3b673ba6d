#include "engine/engines.hpp"
#include "engine/loop_count.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::engine;

TEST_CASE("the limits of the loops add up to the process's") {
  EnginePlan plan;
  plan.settings.max_in_flight = 10;
  plan.settings.max_queued_bytes = 1 << 20;
  plan.settings.max_working_bytes = 1 << 21;
  plan.consumer.prefetch_bytes = 9;
  std::size_t in_flight = 0;
  std::size_t bytes = 0;
  std::size_t working = 0;
  std::int64_t prefetch = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    auto const own = plan_of(plan, {i, 4});
    in_flight += own.settings.max_in_flight;
    bytes += own.settings.max_queued_bytes;
    working += own.settings.max_working_bytes;
    prefetch += own.consumer.prefetch_bytes;
  }
  CHECK(in_flight == 10);
  CHECK(bytes == 1 << 20);
  CHECK(working == 1 << 21);
  CHECK(prefetch == 9);
  CHECK(LoopPlace{3, 4}.part_of(2) == 1);  // nobody is left without
}

TEST_CASE("to the group and to the database each loop is another owner, and the first has the process's names") {
  EnginePlan plan;
  plan.identity.instance = "chat@host:1";
  plan.consumer.instance_id = "chat-1";
  CHECK(plan_of(plan, {0, 2}).identity.instance == "chat@host:1");
  CHECK(plan_of(plan, {0, 2}).consumer.instance_id == "chat-1");
  CHECK(plan_of(plan, {1, 2}).identity.instance == "chat@host:1/1");
  CHECK(plan_of(plan, {1, 2}).consumer.instance_id == "chat-1.loop1");
  plan.consumer.instance_id.clear();
  CHECK(plan_of(plan, {1, 2}).consumer.instance_id.empty());
}

TEST_CASE("a worker has LOOPS loops, a replay one, and no loop is left without a place or a connection") {
  WorkerSettings settings;
  settings.loops = 4;
  CHECK(count_loops(settings, false) == 4);
  CHECK(count_loops(settings, true) == 1);
  settings.max_in_flight = 3;
  CHECK(count_loops(settings, false) == 3);
  settings.database_pool = 2;
  CHECK(count_loops(settings, false) == 2);
}
