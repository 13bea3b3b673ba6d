#include "engine/dispatch/fair_queue.hpp"

#include "engine/dispatch/partition.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <utility>
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
  explicit Queue(std::size_t max_in_flight = 8, std::size_t max_working_bytes = std::size_t{1} << 40)
      : queue{max_in_flight, max_working_bytes} {
    time_now = Clock::time_point{} + 1h;
  }

  Delivery& push(std::uint64_t tenant, Partition* partition = nullptr, std::uint32_t route = 0) {
    auto& delivery = deliveries.emplace_back();
    delivery.tenant = tenant;
    delivery.route = route;
    delivery.partition = partition;
    delivery.arrived = time_now;
    delivery.sequence = next_sequence++;
    queue.push(delivery);
    return delivery;
  }
  void push(std::uint64_t tenant, int count, std::uint32_t route = 0) {
    for (; count > 0; --count) push(tenant, nullptr, route);
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
  /// How many of a route are running.
  std::ptrdiff_t on_route(std::uint32_t route) const { return std::ranges::count(running, route, &Delivery::route); }
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

TEST_CASE("routes take turns, and on each of them its tenants") {
  Queue queue{100};
  queue.push(1, 10, 7);
  queue.push(2, 10, 7);
  queue.push(3, 2, 8);
  CHECK(queue.start(6) == Tenants{1, 3, 2, 3, 1, 2});
}

TEST_CASE("a route with all its places does not keep a tenant's deliveries from another route") {
  Queue queue{8};
  queue.push(1, 100, 7);
  CHECK(queue.start().size() == 8);
  queue.end(1, 8);
  queue.push(2, 100, 7);
  queue.push(1, 2, 8);
  queue.start();
  CHECK(queue.on_route(7) == 6);
  CHECK(queue.on_route(8) == 2);
  queue.push(3, 1, 8);
  CHECK(queue.start() == Tenants{3});
}

TEST_CASE("a route that had all its places goes on when one becomes free, whichever tenant's turn it is") {
  Queue queue{8};
  queue.push(9, 1, 8);
  queue.push(1, 4, 7);
  queue.push(2, 4, 7);
  queue.start();
  CHECK(queue.on_route(7) == 6);
  queue.end(9);
  CHECK(queue.start().empty());  // the other route was there a moment ago
  queue.end(2);
  CHECK(queue.start().size() == 1);
  CHECK(queue.on_route(7) == 6);
  queue.end(1);
  CHECK(queue.start().size() == 1);
  CHECK(queue.queue.empty());
}

TEST_CASE("a delivery that steps aside leaves its tenant's place to another and keeps its route's") {
  Queue queue{4};
  queue.push(9, 1, 8);
  queue.start();
  queue.push(1, 20, 7);
  queue.push(1, 20, 8);
  auto const before = queue.start();
  CHECK(before.size() == 3);  // three quarters for a tenant
  std::vector<Delivery*> const running{queue.running.begin() + 1, queue.running.end()};
  for (auto* const each : running) queue.queue.step_aside(*each);
  auto const since = queue.start();
  CHECK(since.size() == 2);
  CHECK(queue.on_route(7) == 3);  // and for a route
  CHECK(queue.on_route(8) == 3);
  for (auto* const each : running) queue.queue.step_back(*each);
  CHECK(queue.start().empty());
  queue.end(9);
  queue.end(1, 5);
  CHECK(queue.start().size() == 3);
}

TEST_CASE("a tenant is forgotten although what it had on another route was taken back while it had all its places") {
  Queue queue{4};
  Partition partition;
  queue.push(1, 1, 7);
  queue.push(2, 3, 7);
  CHECK(queue.start().size() == 4);
  queue.push(2, &partition, 8);
  CHECK(queue.start().empty());
  CHECK(queue.queue.take_back(partition).size() == 1);
  queue.end(2, 3);
  CHECK(queue.start().empty());
  time_now += 61s;
  queue.push(1, 10, 7);
  CHECK(queue.start().size() == 3);  // all places, as if no other had been there
}

TEST_CASE("a tenant starts nothing more while it holds about as many bytes as are free, and the next one has room") {
  Queue queue{100, 1'000};
  queue.push(1, 10);
  queue.start(1);
  queue.queue.work_in(*queue.running.front(), 200);
  CHECK(queue.start() == Tenants{1, 1});  // each is expected to need as much
  CHECK(queue.queue.working_bytes() == 600);
  queue.queue.work_in(*queue.running.back(), 0);
  CHECK(queue.start() == Tenants{1});
  queue.push(2);
  CHECK(queue.start() == Tenants{2});
  queue.end(1, 4);
  queue.end(2);
  CHECK(queue.queue.working_bytes() == 0);
  CHECK(queue.start().size() == 3);
}

TEST_CASE("a delivery that needs more than the whole budget runs alone") {
  Queue queue{100, 1'000};
  queue.push(1, 2);
  queue.push(2);
  queue.start(1);
  queue.queue.work_in(*queue.running.front(), 5'000);
  CHECK(queue.start().empty());
  queue.queue.work_in(*queue.running.front(), 900);  // the answer was short
  CHECK(queue.start() == Tenants{2});
  queue.end(1);
  queue.end(2);
  CHECK(queue.start() == Tenants{1});
}

TEST_CASE("whoever waits for memory starts when another tenant gives some back") {
  Queue queue{100, 1'000};
  queue.push(1, 1);
  queue.push(2, 1);
  queue.start();
  queue.queue.work_in(*queue.running[0], 800);
  queue.queue.work_in(*queue.running[1], 50);
  queue.push(2, 1);
  queue.push(3, 1);
  CHECK(queue.start() == Tenants{3});  // it holds nothing yet
  CHECK(queue.start().empty());
  queue.end(1);
  queue.end(3);
  CHECK(queue.start() == Tenants{2});
}

TEST_CASE("whatever starts, steps aside and ends, a delivery waits only for a place of its tenant or its route") {
  std::mt19937 random{7};
  auto const pick = [&](std::size_t below) { return random() % below; };
  for (int round = 0; round < 50; ++round) {
    Queue queue{8};
    std::vector<Delivery*> aside;
    std::map<std::pair<std::uint64_t, std::uint32_t>, OffsetFrontier::Sequence> newest;
    std::size_t pushed = 0;
    std::size_t started = 0;
    auto const start = [&](std::size_t most) {
      auto const before = queue.running.size();
      queue.start(most);
      for (auto i = before; i < queue.running.size(); ++i, ++started) {
        auto const& each = *queue.running[i];
        auto const [last, first] = newest.try_emplace({each.tenant, each.route}, each.sequence);
        CHECK((first || last->second < each.sequence));
        last->second = each.sequence;
      }
    };
    for (int step = 0; step < 400; ++step) {
      switch (pick(4)) {
        case 0:
          queue.push(1 + pick(3), static_cast<int>(1 + pick(4)), static_cast<std::uint32_t>(pick(3)));
          break;
        case 1:
          start(pick(6));
          break;
        case 2:
          if (queue.running.empty()) break;
          if (auto* const each = queue.running[pick(queue.running.size())]; std::erase(aside, each) > 0) {
            queue.queue.step_back(*each);
          } else {
            aside.push_back(each);
            queue.queue.step_aside(*each);
          }
          break;
        default:
          if (queue.running.empty()) break;
          auto const each = queue.running.begin() + static_cast<std::ptrdiff_t>(pick(queue.running.size()));
          if (std::erase(aside, *each) > 0) queue.queue.step_back(**each);
          queue.queue.ended(**each);
          queue.running.erase(each);
      }
      if (pick(8) != 0) continue;
      start(1'000);
      pushed = queue.deliveries.size();
      CHECK(pushed - started == queue.queue.size());
      std::map<std::uint64_t, std::size_t> of_tenant;
      std::map<std::uint32_t, std::size_t> of_route;
      for (auto const* const each : queue.running) {
        ++of_route[each->route];
        if (std::ranges::find(aside, each) == aside.end()) ++of_tenant[each->tenant];
      }
      for (auto const& each : queue.deliveries)
        if (newest.find({each.tenant, each.route}) == newest.end() || newest[{each.tenant, each.route}] < each.sequence)
          CHECK((of_tenant[each.tenant] >= 6 || of_route[each.route] >= 6));
    }
  }
}

TEST_CASE("while memory is short, every delivery starts in the end") {
  std::mt19937 random{11};
  auto const pick = [&](std::size_t below) { return random() % below; };
  for (int round = 0; round < 50; ++round) {
    Queue queue{8, 1'000};
    for (int step = 0; step < 200; ++step) {
      if (pick(3) == 0) queue.push(1 + pick(3), static_cast<int>(1 + pick(3)), static_cast<std::uint32_t>(pick(2)));
      queue.start(pick(3));
      if (queue.running.empty()) continue;
      auto& one = *queue.running[pick(queue.running.size())];
      if (pick(2) == 0)
        queue.queue.work_in(one, pick(400));
      else
        queue.end(one.tenant);
    }
    while (!queue.queue.empty()) {
      queue.start();
      REQUIRE(!queue.running.empty());
      queue.end(queue.running.front()->tenant);
    }
    while (!queue.running.empty()) queue.end(queue.running.front()->tenant);
    CHECK(queue.queue.working_bytes() == 0);
  }
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
