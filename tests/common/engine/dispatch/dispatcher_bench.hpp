/// What tests of the dispatcher stand on.
#pragma once

#include "engine/dispatch/dispatcher.hpp"
#include "fake_processor.hpp"

#include <chrono>
#include <deque>
#include <functional>
#include <numeric>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

namespace omnibus::engine {

/// A dispatcher on a real loop with a fake processor behind it.
struct DispatcherBench {
  explicit DispatcherBench(std::size_t max_in_flight = 256,
                           std::chrono::milliseconds outage_delay = std::chrono::milliseconds{1})
      : dispatcher{loop,
                   {.max_in_flight = max_in_flight,
                    .first_outage_delay = outage_delay,
                    .longest_outage_delay = 4 * outage_delay},
                   processor} {
    partition.open = true;
  }

  /// Records of these keys arrive, in this order and at the next offsets.
  void arrive(Partition& where, std::vector<std::uint64_t> const& keys) {
    for (auto const key : keys) {
      auto& delivery = deliveries.emplace_back();
      delivery.partition = &where;
      delivery.key_hash = key;
      delivery.sequence = where.frontier.begin(next_offset++);
      dispatcher.submit(delivery);
    }
    dispatcher.pump();
  }
  void arrive(std::vector<std::uint64_t> const& keys) { arrive(partition, keys); }
  /// One that waited in the database.
  void arrive_row(std::uint64_t key) {
    auto& delivery = deliveries.emplace_back();
    delivery.partition = &partition;
    delivery.key_hash = key;
    delivery.sequence = partition.frontier.begin(next_offset++);
    delivery.row = std::make_unique<DeferredRow>();
    dispatcher.submit(delivery);
  }

  /// Runs what can run now. The loop may not be busy for ever: waiting must cost nothing.
  void settle() {
    for (int handlers = 0; loop.poll_one() != 0; ++handlers) REQUIRE(handlers < 100'000);
    loop.restart();
  }
  /// Runs until something awaited has happened.
  void until(std::function<bool()> const& happened) {
    auto const deadline = Clock::now() + std::chrono::seconds{10};
    while (!happened()) {
      loop.run_one_until(deadline);
      loop.restart();
      REQUIRE(Clock::now() < deadline);
    }
  }
  /// Runs until the loop has no work left, which must mean that nothing is left to do.
  void finish() {
    loop.run_for(std::chrono::seconds{10});
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

inline Sequences up_to(Sequence count) {
  Sequences all(count);
  std::iota(all.begin(), all.end(), Sequence{0});
  return all;
}

}  // namespace omnibus::engine
