#include "engine/dispatch/dispatcher.hpp"

#include "fake_processor.hpp"

#include <algorithm>
#include <deque>
#include <functional>
#include <initializer_list>
#include <numeric>

#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

using namespace omnibus::engine;
using namespace std::chrono_literals;

namespace {

/// A dispatcher on a real loop with a fake processor behind it.
struct Bench {
  explicit Bench(std::size_t max_in_flight = 256, std::chrono::milliseconds outage_delay = 1ms)
      : dispatcher{loop,
                   {.max_in_flight = max_in_flight,
                    .first_outage_delay = outage_delay,
                    .longest_outage_delay = 4 * outage_delay},
                   processor} {
    partition.open = true;
  }

  /// Records of these keys arrive, in this order and at the next offsets.
  void arrive(Partition& where, std::initializer_list<std::uint64_t> keys) {
    for (auto const key : keys) {
      auto& delivery = deliveries.emplace_back();
      delivery.partition = &where;
      delivery.key_hash = key;
      delivery.sequence = where.frontier.begin(next_offset++);
      dispatcher.submit(delivery);
    }
    dispatcher.pump();
  }
  void arrive(std::initializer_list<std::uint64_t> keys) { arrive(partition, keys); }

  /// Runs what can run now. The loop may not be busy for ever: waiting must cost nothing.
  void settle() {
    for (int handlers = 0; loop.poll_one() != 0; ++handlers) REQUIRE(handlers < 100'000);
    loop.restart();
  }
  /// Runs until something awaited has happened.
  void until(std::function<bool()> const& happened) {
    auto const deadline = Clock::now() + 10s;
    while (!happened()) {
      loop.run_one_until(deadline);
      loop.restart();
      REQUIRE(Clock::now() < deadline);
    }
  }
  /// Runs until the loop has no work left, which must mean that nothing is left to do.
  void finish() {
    loop.run_for(10s);
    REQUIRE(loop.stopped());
    CHECK(dispatcher.queued() == 0);
    CHECK(dispatcher.in_flight() == 0);
    CHECK(dispatcher.waiting_for_retry() == 0);
    CHECK(partition.alive == 0);
    loop.restart();
  }

  boost::asio::io_context loop{1};
  std::deque<Delivery> deliveries;
  Partition partition;
  FakeProcessor processor{loop};
  Dispatcher dispatcher;
  std::int64_t next_offset = 1'000;
};

Sequences up_to(Sequence count) {
  Sequences all(count);
  std::iota(all.begin(), all.end(), Sequence{0});
  return all;
}

}  // namespace

TEST_CASE("deliveries of one key run one after the other in the order of their arrival") {
  Bench bench;
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
  Bench bench;
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
  Bench bench{3};
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

TEST_CASE("a retry blocks its own key only, keeps its order and takes no place") {
  Bench bench{1};
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
  Bench bench;
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
  Bench bench;
  bench.processor.answer(2, {retry_after(2ms)});
  bench.arrive({1, 2, 3});
  bench.until([&] { return bench.processor.finished().size() == 2; });
  CHECK(bench.partition.frontier.position() == 1'001);
  bench.finish();
  CHECK(bench.partition.frontier.position() == 1'003);
}

TEST_CASE("an outage pauses every key") {
  Bench bench{256, 1h};
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
  Bench bench;
  bench.processor.answer(1, {outage, outage});
  bench.processor.answer(2, {outage});
  bench.arrive({1, 2, 3, 4});
  bench.finish();
  CHECK_FALSE(bench.dispatcher.paused());
  CHECK(bench.processor.started() == Sequences{0, 0, 1, 2, 3, 0, 1});
}

TEST_CASE("an event that brings its outage about by itself does not keep the others from going on") {
  Bench bench;
  bench.processor.answer(1, std::vector(10'000, outage));
  bench.arrive({1, 2, 2, 3, 1});
  bench.until([&] { return bench.processor.finished().size() == 3; });
  CHECK(bench.processor.finished() == Sequences{1, 3, 2});
  bench.processor.recover(1);
  bench.finish();
  CHECK(bench.processor.finished() == Sequences{1, 3, 2, 0, 4});
}

TEST_CASE("while a probe is out nothing else starts and the loop is idle") {
  Bench bench;
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
  Bench bench;
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
  Bench bench{256, 1h};
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
  Bench bench;
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

TEST_CASE("a partition's deliveries are held until it is open, other partitions go on") {
  Bench bench;
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
  Bench bench;
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
  Bench bench;
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
  Bench bench{1};
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

TEST_CASE("what met an outage is held with the rest of its closed partition, and does not probe") {
  Bench bench;
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

TEST_CASE("a drain finishes what runs and gives back what has not started") {
  Bench bench;
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
  Bench bench;
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

TEST_CASE("a drain tries at once what waits for a retry") {
  Bench bench;
  bench.processor.answer(1, {retry_after(1h)});
  bench.arrive({1, 2});
  bench.settle();
  bench.dispatcher.drain(bench.partition);
  bench.finish();
  CHECK(bench.processor.finished() == Sequences{1, 0});
  CHECK(bench.partition.frontier.position() == 1'002);
}

TEST_CASE("what fails once more during a drain is given back, and nothing of its key overtakes it") {
  Bench bench;
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

TEST_CASE("draining a second time starts nothing that the first gave back") {
  Bench bench;
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
  Bench bench;
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
  Bench bench;
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
  Bench bench;
  bench.partition.open = false;
  bench.arrive({1, 1, 2});
  bench.dispatcher.drain(bench.partition);
  bench.finish();
  CHECK(bench.processor.started().empty());
  CHECK(bench.processor.given_back().size() == 3);
}

TEST_CASE("a fenced partition gives back any number of waiting deliveries when it is drained") {
  Bench bench;
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
  Bench bench;
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
  Bench bench;
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
