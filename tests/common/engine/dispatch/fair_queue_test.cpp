#include "engine/dispatch/fair_queue.hpp"

#include "engine/dispatch/partition.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus::engine;
using namespace std::chrono_literals;

namespace {

Clock::time_point time_now;
Clock::time_point now() {
  return time_now;
}

/// A queue, and deliveries that are told apart by their sequence.
struct Queue {
  explicit Queue(std::size_t max_in_flight = 8) : queue{max_in_flight} { time_now = Clock::time_point{} + 1h; }

  Delivery& push(std::uint64_t tenant, Partition* partition = nullptr) {
    auto& delivery = deliveries.emplace_back();
    delivery.tenant = tenant;
    delivery.partition = partition;
    delivery.arrived = time_now;
    delivery.sequence = next_sequence++;
    queue.push(delivery);
    return delivery;
  }
  void push(std::uint64_t tenant, int count) {
    for (; count > 0; --count) push(tenant);
  }
  /// Starts what may start, `most` at most, and returns the tenants.
  std::vector<std::uint64_t> start(std::size_t most = 1'000) {
    std::vector<std::uint64_t> tenants;
    while (tenants.size() < most) {
      auto* const next = queue.next(now);
      if (next == nullptr) break;
      queue.take();
      queue.started(*next);
      running.push_back(next);
      tenants.push_back(next->tenant);
    }
    return tenants;
  }
  void end(std::uint64_t tenant, std::size_t count = 1) {
    for (; count > 0; --count) {
      auto const found = std::ranges::find(running, tenant, &Delivery::tenant);
      REQUIRE(found != running.end());
      queue.ended(**found);
      running.erase(found);
    }
  }

  std::deque<Delivery> deliveries;
  std::vector<Delivery*> running;
  FairQueue queue;
  OffsetFrontier::Sequence next_sequence = 0;
};

using Tenants = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("tenants take turns, however many deliveries one of them has") {
  Queue queue{100};
  queue.push(1, 50);
  queue.push(2, 3);
  queue.push(3, 1);
  CHECK(queue.start(9) == Tenants{1, 2, 3, 1, 2, 1, 2, 1, 1});
}

TEST_CASE("a tenant's deliveries start in the order of their arrival") {
  Queue queue{100};
  queue.push(1, 5);
  queue.start();
  for (OffsetFrontier::Sequence i = 0; i < 5; ++i) CHECK(queue.running[i]->sequence == i);
}

TEST_CASE("a tenant alone has all places, and three quarters while another has something ready") {
  Queue queue{8};
  queue.push(1, 100);
  CHECK(queue.start().size() == 8);
  queue.end(1, 8);
  queue.push(2, 1);
  auto const started = queue.start();
  CHECK(std::ranges::count(started, 1U) == 6);
  CHECK(std::ranges::count(started, 2U) == 1);
}

TEST_CASE("a place is kept free for a tenant that was there a moment ago, and not for one that is long gone") {
  Queue queue{8};
  queue.push(2, 1);
  queue.start();
  queue.end(2);
  queue.push(1, 100);
  CHECK(queue.start().size() == 6);
  time_now += 59s;
  CHECK(queue.start().empty());
  queue.push(2, 1);
  CHECK(queue.start() == Tenants{2});  // at once
  queue.end(2);
  time_now += 61s;
  queue.end(1);
  CHECK(queue.start().size() == 3);
}

TEST_CASE("a tenant that had all its places goes on when one becomes free") {
  Queue queue{4};
  queue.push(2, 1);
  queue.push(1, 10);
  CHECK(queue.start() == Tenants{2, 1, 1, 1});
  CHECK(queue.start().empty());
  queue.end(1);
  CHECK(queue.start() == Tenants{1});
  CHECK(queue.queue.size() == 6);
}

TEST_CASE("a queue is shared once deliveries of two tenants have come") {
  Queue queue;
  queue.push(7, 3);
  CHECK_FALSE(queue.queue.is_shared());
  queue.push(0, 1);
  CHECK(queue.queue.is_shared());
  queue.start();
  CHECK(queue.queue.is_shared());
}

TEST_CASE("one place is enough for all") {
  Queue queue{1};
  queue.push(1, 3);
  queue.push(2, 2);
  Tenants started;
  for (auto next = queue.start(1); !next.empty(); next = queue.start(1)) {
    started.push_back(next.front());
    queue.end(next.front());
  }
  CHECK(started == Tenants{1, 2, 1, 2, 1});
}

TEST_CASE("what is pushed to the front comes before the others of its tenant") {
  Queue queue{100};
  queue.push(1, 2);
  Delivery again;
  again.tenant = 1;
  again.sequence = 99;
  queue.queue.push_front(again);
  queue.start(1);
  CHECK(queue.running.front() == &again);
}

TEST_CASE("a partition's deliveries are taken back in order, and the others stay") {
  Queue queue{100};
  Partition partition;
  auto* const mine = &partition;
  queue.push(1, mine);
  queue.push(1);
  queue.push(1, mine);
  queue.push(2, mine);
  auto const taken = queue.queue.take_back(*mine);
  REQUIRE(taken.size() == 3);
  CHECK(std::ranges::find(taken, 0U, &Delivery::sequence) < std::ranges::find(taken, 2U, &Delivery::sequence));
  CHECK(queue.queue.size() == 1);
  CHECK(queue.start() == Tenants{1});
  CHECK(queue.queue.next(now) == nullptr);
  CHECK(queue.queue.empty());
}
