// Drains, and partitions that are lost.
#include "dispatcher_bench.hpp"

#include <doctest/doctest.h>

using namespace omnibus::engine;
using namespace std::chrono_literals;

TEST_CASE("a drain finishes what runs and gives back what has not started") {
  DispatcherBench bench;
  bench.processor.keep(1);
  bench.processor.keep(2);
  bench.arrive({1, 2, 1, 2, 1});
  bench.settle();
  bench.dispatcher.drain(bench.partition);
  bench.settle();
  CHECK(bench.dispatcher.in_flight() == 2);
  bench.processor.end(1);
  bench.processor.end(2);
  bench.finish();
  CHECK(bench.processor.finished() == Sequences{0, 1});
  CHECK(bench.processor.given_back() == Sequences{2, 4, 3});
  CHECK(bench.partition.frontier.position() == 1'002);
}

TEST_CASE("a drain leaves no gap: what lies before the newest started delivery is finished") {
  DispatcherBench bench;
  bench.processor.keep(1);
  bench.arrive({1, 1, 1, 2, 1, 1});
  bench.settle();
  CHECK(bench.processor.finished() == Sequences{3});
  bench.dispatcher.drain(bench.partition);
  for (int i = 0; i < 3; ++i) {
    bench.settle();
    bench.processor.end(1);
  }
  bench.finish();
  CHECK(bench.processor.finished() == Sequences{3, 0, 1, 2});
  CHECK(bench.processor.given_back() == Sequences{4, 5});
  CHECK(bench.partition.frontier.position() == 1'004);
}

TEST_CASE("a drain does not work off a backlog for the sake of one that ran before its turn") {
  DispatcherBench bench;
  bench.processor.keep(1);
  bench.processor.keep(2);
  std::vector<std::uint64_t> keys(2'000, 1);
  keys.push_back(2);
  keys.push_back(3);
  bench.arrive(keys);
  bench.settle();
  bench.dispatcher.drain(bench.partition);
  bench.settle();
  CHECK(bench.processor.given_back().empty());  // behind what runs of their key
  bench.processor.end(2);
  bench.processor.end(1);
  bench.finish();
  CHECK(bench.processor.started() == Sequences{0, 2'000, 2'001});
  CHECK(bench.processor.finished() == Sequences{2'001, 2'000, 0});
  CHECK(bench.processor.given_back().size() == 1'999);
  CHECK(bench.partition.frontier.position() == 1'001);
  CHECK(bench.partition.frontier.ahead() == 2);
}

TEST_CASE("a drain finishes nothing behind a row that is given back") {
  DispatcherBench bench;
  bench.processor.keep(1);
  bench.arrive_row(1);
  bench.arrive_row(1);
  bench.arrive({1, 2});
  bench.settle();
  CHECK(bench.processor.finished() == Sequences{3});
  bench.dispatcher.drain(bench.partition);
  bench.settle();
  bench.processor.end(1);
  bench.finish();
  CHECK(bench.processor.started() == Sequences{0, 3});
  CHECK(bench.processor.given_back() == Sequences{1, 2});
}

TEST_CASE("a drain tries at once what waits for a retry") {
  DispatcherBench bench;
  bench.processor.answer(1, {retry_after(1h)});
  bench.arrive({1, 2});
  bench.settle();
  bench.dispatcher.drain(bench.partition);
  bench.finish();
  CHECK(bench.processor.finished() == Sequences{1, 0});
  CHECK(bench.partition.frontier.position() == 1'002);
}

TEST_CASE("what fails once more during a drain is given back, and nothing of its key overtakes it") {
  DispatcherBench bench;
  bench.processor.keep(1);
  bench.arrive({1, 1, 2});
  bench.settle();
  bench.dispatcher.drain(bench.partition);
  bench.processor.end(1, retry_after(0ms));
  bench.finish();
  CHECK(bench.processor.started() == Sequences{0, 2});
  CHECK(bench.processor.given_back() == Sequences{0, 1});
  bench.dispatcher.drain(bench.partition);
  CHECK_FALSE(bench.partition.frontier.position().has_value());
}

TEST_CASE("a fence that is seen during a drain gives back what waits for its turn") {
  DispatcherBench bench{1};
  bench.processor.keep(1);
  bench.processor.answer(2, {retry_after(1h)});
  bench.processor.answer(3, {retry_after(1h)});
  bench.arrive({2, 3, 1});
  bench.settle();
  bench.dispatcher.drain(bench.partition);  // which has both retried as soon as 1 ends
  bench.dispatcher.close(bench.partition);
  bench.processor.end(1, hold);
  bench.finish();
  CHECK(bench.processor.given_back() == Sequences{0, 1, 2});
}

TEST_CASE("draining a second time starts nothing that the first gave back") {
  DispatcherBench bench;
  bench.processor.keep(1);
  bench.processor.keep(2);
  bench.arrive({1, 2, 1, 3});
  bench.settle();
  bench.dispatcher.drain(bench.partition);
  bench.processor.end(1, retry_after(0ms));
  bench.settle();
  bench.dispatcher.drain(bench.partition);
  bench.arrive({1, 4});
  bench.processor.end(2);
  bench.finish();
  CHECK(bench.processor.started() == Sequences{0, 1, 3});
  CHECK(bench.processor.given_back() == Sequences{0, 2, 4, 5});
}

TEST_CASE("an abandoned delivery is given back with all that lies behind it") {
  DispatcherBench bench;
  bench.processor.keep(1);
  bench.arrive({1, 1, 1});
  bench.settle();
  bench.processor.end(1, abandon);
  bench.settle();
  bench.arrive({1, 2});
  bench.finish();
  CHECK(bench.processor.started() == Sequences{0});
  CHECK(bench.processor.given_back() == up_to(5));
}

TEST_CASE("a drain of one partition does not touch another") {
  DispatcherBench bench;
  Partition other;
  other.open = true;
  bench.processor.keep(1);
  bench.arrive(other, {1, 1});
  bench.processor.answer(7, {retry_after(2ms)});
  bench.arrive(other, {7});
  bench.settle();
  bench.arrive({5, 6});
  bench.dispatcher.drain(bench.partition);
  bench.processor.end(1);
  bench.settle();
  bench.processor.end(1);
  bench.finish();
  CHECK(bench.processor.given_back() == up_to(2));
  CHECK(other.alive == 0);
  CHECK(other.frontier.position() == 1'003);
}

TEST_CASE("a partition that was never opened gives everything back when it is drained") {
  DispatcherBench bench;
  bench.partition.open = false;
  bench.arrive({1, 1, 2});
  bench.dispatcher.drain(bench.partition);
  bench.finish();
  CHECK(bench.processor.started().empty());
  CHECK(bench.processor.given_back().size() == 3);
}

TEST_CASE("a fenced partition gives back any number of waiting deliveries when it is drained") {
  DispatcherBench bench;
  bench.processor.keep(1);
  for (int i = 0; i < 100'000; ++i) bench.arrive({1});
  bench.arrive({2});
  bench.settle();
  bench.partition.open = false;
  bench.processor.end(1, hold);
  bench.settle();
  bench.dispatcher.drain(bench.partition);
  bench.finish();
  CHECK(bench.processor.finished() == Sequences{100'000});
  CHECK(bench.processor.given_back() == up_to(100'000));
}

TEST_CASE("a dropped partition gives back everything but what runs, which ends as it ends") {
  DispatcherBench bench;
  for (auto const key : {1U, 2U, 3U, 4U}) bench.processor.keep(key);
  bench.processor.answer(5, {retry_after(1h)});
  bench.arrive({5, 1, 2, 3, 4, 1, 2, 3, 4});
  bench.settle();
  bench.dispatcher.drop(bench.partition);
  bench.settle();
  CHECK(bench.processor.given_back() == Sequences{0});
  bench.processor.end(1);
  bench.processor.end(2, retry_after(0ms));
  bench.processor.end(3, hold);
  bench.processor.end(4, outage);
  bench.finish();
  CHECK(bench.processor.finished() == Sequences{1});
  CHECK(bench.processor.given_back().size() == 8);
  CHECK(bench.processor.started().size() == 5);
}

TEST_CASE("a key's new owner waits for what still runs of the partition that was lost") {
  DispatcherBench bench;
  bench.processor.keep(1);
  bench.arrive({1, 1});
  bench.settle();
  bench.dispatcher.drop(bench.partition);
  Partition again;
  again.open = true;
  bench.arrive(again, {1});
  bench.settle();
  CHECK(bench.processor.started() == Sequences{0});
  bench.processor.end(1);
  bench.settle();
  CHECK(bench.processor.started() == Sequences{0, 0});
  CHECK(bench.processor.given_back() == Sequences{1});
  bench.processor.end(1);
  bench.finish();
  CHECK(again.frontier.position() == 1'003);
}
