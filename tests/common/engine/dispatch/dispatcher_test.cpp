// Keys, places, retries, and partitions that open and close.
#include "dispatcher_bench.hpp"

#include <doctest/doctest.h>

using namespace omnibus::engine;
using namespace std::chrono_literals;

TEST_CASE("deliveries of one key run one after the other in the order of their arrival") {
  DispatcherBench bench;
  bench.processor.keep(1);
  bench.arrive({1, 1, 1});
  for (Sequence i = 0; i < 3; ++i) {
    bench.settle();
    CHECK(bench.processor.started() == up_to(i + 1));
    bench.processor.end(1);
  }
  bench.finish();
  CHECK(bench.processor.finished() == up_to(3));
  CHECK(bench.processor.most_at_once() == 1);
}

TEST_CASE("different keys run at once") {
  DispatcherBench bench;
  for (std::uint64_t key = 0; key < 5; ++key) bench.processor.keep(key);
  bench.arrive({0, 1, 2, 3, 4, 0});
  bench.settle();
  CHECK(bench.dispatcher.in_flight() == 5);
  CHECK(bench.dispatcher.queued() == 1);
  bench.processor.end(3);
  bench.settle();
  CHECK(bench.processor.finished() == Sequences{3});
  for (auto const key : {0U, 1U, 2U, 4U}) bench.processor.end(key);
  bench.settle();
  bench.processor.end(0);
  bench.finish();
  CHECK(bench.processor.finished().size() == 6);
}

TEST_CASE("no more keys than max_in_flight run at once, and a place that comes free is taken") {
  DispatcherBench bench{3};
  for (std::uint64_t key = 0; key < 10; ++key) bench.processor.keep(key);
  bench.arrive({0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  bench.settle();
  CHECK(bench.processor.started() == up_to(3));
  bench.processor.end(1);
  bench.settle();
  CHECK(bench.processor.started() == up_to(4));
  CHECK(bench.dispatcher.in_flight() == 3);
  for (auto const key : {0U, 2U, 3U}) bench.processor.end(key);
  bench.settle();
  for (auto const key : {4U, 5U, 6U}) bench.processor.end(key);
  bench.settle();
  for (auto const key : {7U, 8U, 9U}) bench.processor.end(key);
  bench.finish();
  CHECK(bench.processor.most_at_once() == 3);
  CHECK(bench.processor.finished().size() == 10);
}

TEST_CASE("a delivery that steps aside leaves its place to another, and the next waits once it has stepped back") {
  DispatcherBench bench{1};
  bench.processor.route_by_key();
  for (std::uint64_t key = 1; key <= 3; ++key) bench.processor.keep(key);
  bench.arrive({1, 2, 3});
  bench.settle();
  auto& first = bench.deliveries.front();
  bench.dispatcher.step_aside(first);
  bench.dispatcher.step_aside(first);
  bench.settle();
  CHECK(bench.processor.started() == up_to(2));
  bench.dispatcher.step_back(first);
  bench.processor.end(2);
  bench.settle();
  CHECK(bench.processor.started() == up_to(2));
  CHECK(bench.dispatcher.in_flight() == 1);
  bench.processor.end(1);
  bench.settle();
  CHECK(bench.processor.started() == up_to(3));
  bench.processor.end(3);
  bench.finish();
}

TEST_CASE("the end of a delivery that has stepped aside gives back no more than it had") {
  DispatcherBench bench{1};
  bench.processor.route_by_key();
  for (std::uint64_t key = 1; key <= 4; ++key) bench.processor.keep(key);
  bench.arrive({1, 2, 3, 4});
  bench.settle();
  bench.dispatcher.step_aside(bench.deliveries.front());
  bench.settle();
  bench.processor.end(1);
  bench.settle();
  CHECK(bench.processor.started() == up_to(2));
  bench.processor.end(2);
  bench.settle();
  CHECK(bench.processor.started() == up_to(3));
  bench.processor.end(3);
  bench.settle();
  bench.processor.end(4);
  bench.finish();
  CHECK(bench.processor.most_at_once() == 2);
}

TEST_CASE("a retry blocks its own key only, keeps its order and takes no place") {
  DispatcherBench bench{1};
  bench.processor.answer(1, {retry_after(3ms), retry_after(3ms)});
  bench.arrive({1, 1, 2, 3, 2});
  bench.until([&] { return bench.processor.finished().size() == 3; });
  CHECK(bench.processor.finished() == Sequences{2, 3, 4});
  CHECK(bench.dispatcher.waiting_for_retry() == 1);
  CHECK(bench.dispatcher.in_flight() == 0);
  CHECK(bench.dispatcher.queued() == 2);
  bench.finish();
  CHECK(bench.processor.started() == Sequences{0, 2, 3, 4, 0, 0, 1});
  CHECK(bench.processor.finished() == Sequences{2, 3, 4, 0, 1});
}

TEST_CASE("a retry does not come before its time, also when a shorter one is added later") {
  DispatcherBench bench;
  auto const begun = Clock::now();
  bench.processor.answer(1, {retry_after(30ms)});
  bench.processor.answer(2, {retry_after(5ms)});
  bench.arrive({1, 2});
  bench.until([&] { return !bench.processor.finished().empty(); });
  CHECK(Clock::now() - begun >= 5ms);
  bench.finish();
  CHECK(Clock::now() - begun >= 30ms);
  CHECK(bench.processor.finished() == Sequences{1, 0});
}

TEST_CASE("the frontier stays before a delivery that waits for its retry") {
  DispatcherBench bench;
  bench.processor.answer(2, {retry_after(2ms)});
  bench.arrive({1, 2, 3});
  bench.until([&] { return bench.processor.finished().size() == 2; });
  CHECK(bench.partition.frontier.position() == 1'001);
  bench.finish();
  CHECK(bench.partition.frontier.position() == 1'003);
}

TEST_CASE("a partition's deliveries are held until it is open, other partitions go on") {
  DispatcherBench bench;
  Partition later;
  bench.arrive(later, {1, 1, 2});
  bench.arrive({3});
  bench.settle();
  CHECK(bench.processor.finished() == Sequences{0});
  CHECK(later.alive == 3);
  bench.dispatcher.open(later);
  bench.finish();
  CHECK(later.alive == 0);
  CHECK(later.frontier.position() == 1'003);
}

TEST_CASE(
    "a delivery that is held while its partition is closed is tried again when it opens, before those behind it") {
  DispatcherBench bench;
  bench.processor.keep(1);
  bench.arrive({1, 1, 2});
  bench.settle();
  bench.partition.open = false;
  bench.arrive({3});
  bench.processor.end(1, hold);
  bench.loop.run_for(10s);
  CHECK(bench.loop.stopped());
  bench.loop.restart();
  CHECK(bench.processor.started() == Sequences{0, 2});
  bench.dispatcher.open(bench.partition);
  bench.settle();
  bench.processor.end(1);
  bench.settle();
  bench.processor.end(1);
  bench.finish();
  CHECK(bench.processor.finished() == Sequences{2, 3, 0, 1});
}

TEST_CASE("a retry that comes due while its partition is closed is held") {
  DispatcherBench bench;
  bench.processor.answer(1, {retry_after(1ms)});
  bench.arrive({1});
  bench.until([&] { return bench.dispatcher.waiting_for_retry() == 1; });
  bench.partition.open = false;
  bench.until([&] { return bench.partition.held.size() == 1; });
  CHECK(bench.processor.started().size() == 1);
  bench.dispatcher.open(bench.partition);
  bench.finish();
  CHECK(bench.processor.finished() == Sequences{0});
}

TEST_CASE("a partition that is closed holds what has not started, ahead of what comes later; others go on") {
  DispatcherBench bench{1};
  Partition other;
  other.open = true;
  bench.processor.keep(9);
  bench.arrive(other, {9});
  bench.settle();
  bench.arrive({1, 2});
  bench.arrive(other, {5});
  bench.arrive({3});
  bench.dispatcher.close(bench.partition);
  CHECK(bench.partition.held.size() == 3);
  bench.arrive({4, 1});
  bench.processor.end(9);
  bench.settle();
  CHECK(bench.processor.finished() == Sequences{0, 1});  // both of the other partition
  CHECK(bench.partition.alive == 5);
  bench.dispatcher.open(bench.partition);
  bench.finish();
  CHECK(bench.processor.finished() == Sequences{0, 1, 0, 1, 2, 3, 4});
  CHECK(bench.partition.frontier.position() == 1'007);
}

TEST_CASE("a deferred delivery leaves with all behind it, in order, and other keys and later ones of its key go on") {
  DispatcherBench bench;
  bench.processor.keep(1);
  bench.processor.keep(2);
  bench.arrive({1, 1, 2, 1});
  bench.settle();
  bench.processor.end(1, defer);
  bench.settle();
  CHECK(bench.processor.put_away() == Sequences{0, 1, 3});
  CHECK(bench.dispatcher.queued() == 0);
  CHECK(bench.partition.alive == 1);
  bench.arrive({1});
  bench.settle();
  CHECK(bench.processor.started() == Sequences{0, 2, 4});
  bench.processor.end(2);
  bench.processor.end(1);
  bench.finish();
  CHECK(bench.processor.finished() == Sequences{2, 4});
}

TEST_CASE("a deferred delivery of a partition that is given up is given back") {
  DispatcherBench bench;
  bench.processor.keep(1);
  bench.arrive({1, 1});
  bench.settle();
  bench.dispatcher.drain(bench.partition);
  bench.processor.end(1, defer);
  bench.finish();
  CHECK(bench.processor.put_away().empty());
  CHECK(bench.processor.given_back() == Sequences{0, 1});
}

TEST_CASE("deliveries of chosen keys are taken back from a partition that is not open yet") {
  DispatcherBench bench;
  bench.partition.open = false;
  bench.arrive({1, 2, 1, 3});
  std::vector<std::uint64_t> const keys{1, 3, 9};
  std::vector<Sequence> taken;
  for (auto const* const each : bench.dispatcher.take_back(bench.partition, keys)) taken.push_back(each->sequence);
  CHECK(taken == Sequences{0, 2, 3});
  CHECK(bench.partition.alive == 1);
  bench.dispatcher.open(bench.partition);
  bench.finish();
  CHECK(bench.processor.started() == Sequences{1});
}
