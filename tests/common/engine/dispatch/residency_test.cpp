#include "engine/dispatch/residency.hpp"

#include <cstdint>
#include <deque>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus::engine;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t budget = 16 << 20;

/// Lanes and the records of their deliveries.
struct Memory {
  Delivery& arrive(std::uint64_t tenant, std::uint64_t key, std::uint32_t bytes, std::uint32_t route = 0) {
    auto& delivery = deliveries.emplace_back();
    delivery.tenant = tenant;
    delivery.route = route;
    delivery.key_hash = key;
    delivery.bytes = bytes;
    auto const is_head = lanes.push(delivery);
    residency.admit(delivery);
    if (is_head) start(delivery);
    return delivery;
  }
  /// The head of a key leaves.
  void leave(Delivery& head) {
    auto* const following = lanes.pop(head);
    residency.release(head);
    if (following == nullptr) return;
    if (following->residence == Residence::loaded) residency.look_ahead(*following);
    start(*following);
  }
  void start(Delivery& head) {
    head.stalled = head.residence != Residence::loaded;
    if (head.residence == Residence::unloaded) residency.want(head);
  }
  /// Reads one run; returns how many records it had.
  enum How { read_well, read_badly };
  std::size_t read(How kind = read_well) {
    auto const run = residency.next_run(now);
    auto const count = run.size();
    for (auto* const each : run) {
      if (each == nullptr) continue;
      if (kind == read_well) residency.loaded(*each, {});
      if (kind == read_badly) residency.failed(*each, now + 500ms);
      each->stalled = false;
      if (each->residence == Residence::unloaded && lanes.of(*each).head == each) start(*each);
    }
    if (count > 0) residency.end_oldest_run();
    return count;
  }
  std::size_t loaded_of(std::uint64_t tenant) const {
    std::size_t bytes = 0;
    for (auto const& each : deliveries)
      if (each.tenant == tenant && each.residence == Residence::loaded) bytes += each.bytes;
    return bytes;
  }

  std::deque<Delivery> deliveries;
  KeyLanes lanes;
  Residency residency{budget, lanes};
  Clock::time_point now{1h};
};

}  // namespace

TEST_CASE("a tenant alone keeps half of the budget, and the next one still finds room") {
  Memory memory;
  for (std::uint64_t key = 0; key < 2'000; ++key) memory.arrive(1, key, 64'000);
  CHECK(memory.loaded_of(1) <= budget / 2);
  CHECK(memory.loaded_of(1) > budget / 2 - 500'000);
  for (std::uint64_t key = 5'000; key < 7'000; ++key) memory.arrive(2, key, 64'000);
  CHECK(memory.loaded_of(2) > budget / 5);
  CHECK(memory.arrive(3, 9'999, 64'000).residence == Residence::loaded);
  CHECK(memory.residency.loaded_bytes() <= budget);
}

TEST_CASE("what a tenant has on one route leaves room for what it has on another") {
  Memory memory;
  for (std::uint64_t key = 0; key < 2'000; ++key) memory.arrive(1, key, 64'000, 7);
  auto const first = memory.loaded_of(1);
  for (std::uint64_t key = 5'000; key < 7'000; ++key) memory.arrive(1, key, 64'000, 8);
  CHECK(memory.loaded_of(1) - first > budget / 5);
  CHECK(memory.residency.loaded_bytes() <= budget);
}

TEST_CASE("deliveries of one key on different routes are counted where they belong") {
  Memory memory;
  for (std::uint32_t i = 0; i < 2'000; ++i) memory.arrive(1, 7, 4'000, 7 + i % 2);
  for (auto& each : memory.deliveries) {
    while (memory.read() > 0) continue;
    REQUIRE(each.residence == Residence::loaded);
    memory.leave(each);
  }
  CHECK(memory.residency.loaded_bytes() == 0);
  CHECK(memory.residency.held_bytes() == 0);
  for (std::uint64_t key = 0; key < 2'000; ++key) memory.arrive(1, key, 64'000, 7);
  CHECK(memory.loaded_of(1) > budget / 2 - 500'000);
}

TEST_CASE("a long queue of one key leaves most of its tenant's share to other keys") {
  Memory memory;
  for (int i = 0; i < 2'000; ++i) memory.arrive(1, 7, 64'000);
  CHECK(memory.loaded_of(1) <= budget / 8 + 64'000);
  CHECK(memory.arrive(1, 8, 64'000).residence == Residence::loaded);
}

TEST_CASE("deliveries of a key are read ahead before their turn comes, in few runs") {
  Memory memory;
  for (int i = 0; i < 2'000; ++i) memory.arrive(1, 7, 4'000);
  std::size_t runs = 0;
  std::size_t stalls = 0;
  for (auto& each : memory.deliveries) {
    if (each.residence != Residence::loaded) ++stalls;
    while (memory.read() > 0) ++runs;
    REQUIRE(each.residence == Residence::loaded);
    memory.leave(each);
  }
  CHECK(stalls == 0);
  CHECK(runs < 100);
  CHECK(memory.residency.loaded_bytes() == 0);
  CHECK(memory.residency.held_bytes() == 0);
}

TEST_CASE("records are read in the order of their arrival, up to 256 or 1 MiB at once") {
  Memory memory;
  for (std::uint64_t key = 0; key < 5'000; ++key) memory.arrive(1, key, 4'000);
  REQUIRE(memory.residency.wanted() > 2'000);
  for (auto& each : memory.deliveries)
    if (each.residence == Residence::loaded) memory.leave(each);
  auto const run = memory.residency.next_run(memory.now);
  CHECK(run.size() == 256);
  for (std::size_t i = 1; i < run.size(); ++i) CHECK(run[i - 1]->key_hash + 1 == run[i]->key_hash);

  Memory large;
  for (std::uint64_t key = 0; key < 100; ++key) large.arrive(1, key, 400'000);
  for (auto& each : large.deliveries)
    if (each.residence == Residence::loaded) large.leave(each);
  CHECK(large.residency.next_run(large.now).size() == 2);
}

TEST_CASE("what arrives behind records that are to be read again waits behind them") {
  Memory memory;
  for (std::uint64_t key = 0; key < 300; ++key) memory.arrive(1, key, 64'000);
  REQUIRE(memory.residency.wanted() > 0);
  memory.leave(memory.deliveries.front());
  CHECK(memory.arrive(1, 999, 10).residence != Residence::loaded);
  CHECK(memory.arrive(2, 1'000, 10).residence == Residence::loaded);
}

TEST_CASE("nothing is kept behind a record that waits for memory, so that it gets what it waits for") {
  Memory memory;
  auto& running = memory.arrive(1, 1, 1'000);
  auto& large = memory.arrive(1, 2, budget - 200);
  REQUIRE(large.residence == Residence::wanted);
  CHECK(memory.arrive(1, 2, 100).residence == Residence::unloaded);
  CHECK(memory.read() == 0);
  memory.leave(running);
  CHECK(memory.read() == 1);
  CHECK(large.residence == Residence::loaded);
}

TEST_CASE("tenants take turns in reading") {
  Memory memory;
  for (std::uint64_t key = 0; key < 3'000; ++key) memory.arrive(1 + key % 3, key, 20'000);
  for (auto& each : memory.deliveries)
    if (each.residence == Residence::loaded) memory.leave(each);
  std::vector<std::uint64_t> tenants;
  for (int i = 0; i < 6; ++i) {
    tenants.push_back(memory.residency.next_run(memory.now).front()->tenant);
    for (auto* const each : memory.residency.oldest_run()) memory.residency.loaded(*each, {});
    memory.residency.end_oldest_run();
  }
  CHECK(tenants[0] != tenants[1]);
  CHECK(tenants[1] != tenants[2]);
  CHECK(std::vector(tenants.begin(), tenants.begin() + 3) == std::vector(tenants.begin() + 3, tenants.end()));
}

TEST_CASE("a tenant reads again only when half of its share is free") {
  Memory memory;
  for (std::uint64_t key = 0; key < 1'000; ++key) memory.arrive(1, key, 64'000);
  CHECK(memory.read() == 0);
  auto leaving = memory.deliveries.begin();
  std::size_t left = 0;
  for (; memory.read() == 0; ++leaving, ++left) memory.leave(*leaving);
  CHECK(left > 20);
}

TEST_CASE("an event that waits for long gives its memory, and that of its key, to others of its tenant") {
  Memory memory;
  for (std::uint64_t key = 0; key < 1'000; ++key) memory.arrive(1, key, 64'000);
  auto& first = memory.deliveries.front();
  auto const before = memory.residency.loaded_bytes();
  memory.residency.put_off(first);
  CHECK(first.residence == Residence::unloaded);
  CHECK(memory.residency.loaded_bytes() == before - 64'000);

  Memory roomy;
  auto& kept = roomy.arrive(1, 1, 64'000);
  roomy.residency.put_off(kept);
  CHECK(kept.residence == Residence::loaded);  // nobody needs it
}

TEST_CASE("records that could not be read are asked for again after a while") {
  Memory memory;
  for (std::uint64_t key = 0; key < 200; ++key) memory.arrive(1, key, 64'000);
  for (auto& each : memory.deliveries)
    if (each.residence == Residence::loaded) memory.leave(each);
  auto const wanted = memory.residency.wanted();
  REQUIRE(memory.read(Memory::read_badly) > 0);
  CHECK(memory.residency.wanted() == wanted);
  CHECK(memory.read() == 0);
  memory.now += 500ms;
  CHECK(memory.read() > 0);
}

TEST_CASE("deliveries count even when their records do not") {
  Memory memory;
  CHECK_FALSE(memory.residency.crowded());
  for (std::size_t i = 0; i < budget / Residency::delivery_bytes / 2 + 1; ++i) memory.arrive(1, 7, 100);
  CHECK(memory.residency.crowded());
  CHECK(memory.residency.held_bytes() <= budget);
}
