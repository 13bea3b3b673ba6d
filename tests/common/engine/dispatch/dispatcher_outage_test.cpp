// Outages and their probes.
#include "dispatcher_bench.hpp"

#include <algorithm>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus::engine;
using namespace std::chrono_literals;

TEST_CASE("an outage pauses every key") {
  DispatcherBench bench{256, 1h};
  bench.processor.answer(1, {outage});
  bench.arrive({1, 2, 3});
  bench.settle();
  bench.arrive({4});
  bench.settle();
  CHECK(bench.dispatcher.paused());
  CHECK(bench.processor.started() == Sequences{0});
  CHECK(bench.dispatcher.in_flight() == 0);
}

TEST_CASE("one probe after the other tries whether an outage is over, and the first that passes resumes all") {
  DispatcherBench bench;
  bench.processor.answer(1, {outage, outage});
  bench.processor.answer(2, {outage});
  bench.arrive({1, 2, 3, 4});
  bench.finish();
  CHECK_FALSE(bench.dispatcher.paused());
  CHECK(bench.processor.started() == Sequences{0, 0, 1, 2, 3, 0, 1});
}

TEST_CASE("an event that brings its outage about by itself does not keep the others from going on") {
  DispatcherBench bench;
  bench.processor.answer(1, std::vector(10'000, outage));
  bench.arrive({1, 2, 2, 3, 1});
  bench.until([&] { return bench.processor.finished().size() == 3; });
  CHECK(bench.processor.finished() == Sequences{1, 3, 2});
  bench.processor.recover(1);
  bench.finish();
  CHECK(bench.processor.finished() == Sequences{1, 3, 2, 0, 4});
}

TEST_CASE("while a probe is out nothing else starts and the loop is idle") {
  DispatcherBench bench;
  bench.processor.answer(1, {outage});
  bench.processor.keep(1);
  bench.arrive({1, 2, 3});
  bench.until([&] { return bench.processor.runs(1); });
  bench.settle();  // fails where the loop spins
  CHECK(bench.processor.started() == Sequences{0, 0});
  CHECK(bench.dispatcher.paused());
  bench.processor.end(1);
  bench.finish();
  CHECK(bench.processor.finished() == up_to(3));
}

TEST_CASE("an outage that outlives everything it met leaves the loop idle, and what comes later probes") {
  DispatcherBench bench;
  bench.processor.answer(1, std::vector(1'000, outage));
  bench.arrive({1, 1, 2});
  bench.until([&] { return bench.dispatcher.paused(); });
  bench.dispatcher.drop(bench.partition);
  bench.finish();
  CHECK(bench.processor.given_back().size() == 3);
  CHECK(bench.dispatcher.paused());

  bench.processor.recover(1);
  Partition next;
  next.open = true;
  bench.arrive(next, {1, 2});
  bench.finish();
  CHECK_FALSE(bench.dispatcher.paused());
  CHECK(bench.processor.finished() == up_to(2));
}

TEST_CASE("work that was under way when an outage began opens the gate when it passes") {
  DispatcherBench bench{256, 1h};
  bench.processor.keep(1);
  bench.processor.answer(2, {outage});
  bench.arrive({1, 2, 3});
  bench.settle();
  CHECK(bench.dispatcher.paused());
  bench.processor.end(1);
  bench.settle();
  CHECK_FALSE(bench.dispatcher.paused());
  bench.finish();
  CHECK(bench.processor.finished() == Sequences{0, 1, 2});
}

TEST_CASE("a retry that comes due during an outage waits for its end") {
  DispatcherBench bench;
  bench.processor.answer(1, {retry_after(1ms)});
  bench.processor.answer(2, std::vector(1'000, outage));
  bench.arrive({1, 2});
  bench.until([&] { return bench.dispatcher.paused(); });
  bench.until([&] { return bench.dispatcher.waiting_for_retry() == 0; });
  CHECK(std::ranges::count(bench.processor.started(), 0) == 1);
  bench.processor.recover(2);
  bench.finish();
  CHECK(bench.processor.finished().size() == 2);
}

TEST_CASE("what met an outage is held with the rest of its closed partition, and does not probe") {
  DispatcherBench bench;
  bench.processor.answer(1, {outage});
  bench.arrive({1, 2, 1});
  bench.until([&] { return bench.dispatcher.paused(); });
  bench.dispatcher.close(bench.partition);
  bench.loop.run_for(10s);
  CHECK(bench.loop.stopped());  // nothing is left to wake up for
  bench.loop.restart();
  CHECK(bench.processor.started() == Sequences{0});
  bench.dispatcher.open(bench.partition);
  bench.finish();
  CHECK(bench.processor.finished() == up_to(3));
}
