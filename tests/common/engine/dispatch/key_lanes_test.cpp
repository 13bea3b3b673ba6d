#include "engine/dispatch/key_lanes.hpp"

#include <array>
#include <deque>
#include <map>
#include <random>

#include <doctest/doctest.h>

using omnibus::engine::Delivery;
using omnibus::engine::KeyLanes;

TEST_CASE("the first delivery of a key may run, those behind it wait") {
  KeyLanes lanes;
  std::array<Delivery, 3> deliveries{};
  CHECK(lanes.push(deliveries[0]));
  CHECK_FALSE(lanes.push(deliveries[1]));
  CHECK_FALSE(lanes.push(deliveries[2]));
  CHECK(lanes.keys() == 1);
  CHECK(lanes.queued() == 3);
  CHECK(lanes.pop(deliveries[0]) == &deliveries[1]);
  CHECK(lanes.pop(deliveries[1]) == &deliveries[2]);
  CHECK(lanes.pop(deliveries[2]) == nullptr);
  CHECK(lanes.keys() == 0);
  CHECK(lanes.queued() == 0);
}

TEST_CASE("other keys do not wait") {
  KeyLanes lanes;
  std::array<Delivery, 2> deliveries{};
  deliveries[1].key_hash = 1;
  CHECK(lanes.push(deliveries[0]));
  CHECK(lanes.push(deliveries[1]));
  CHECK(lanes.keys() == 2);
}

TEST_CASE("a key that has run empty starts afresh") {
  KeyLanes lanes;
  Delivery delivery;
  CHECK(lanes.push(delivery));
  CHECK(lanes.pop(delivery) == nullptr);
  CHECK(lanes.push(delivery));
  CHECK(lanes.keys() == 1);
}

TEST_CASE("a delivery that was used before brings nothing of its old queue with it") {
  KeyLanes lanes;
  std::array<Delivery, 3> deliveries{};
  lanes.push(deliveries[0]);
  lanes.push(deliveries[1]);
  lanes.pop(deliveries[0]);
  deliveries[0].key_hash = 9;
  CHECK(lanes.push(deliveries[0]));
  CHECK(lanes.pop(deliveries[0]) == nullptr);
  CHECK_FALSE(lanes.push(deliveries[2]));
  CHECK(lanes.pop(deliveries[1]) == &deliveries[2]);
}

TEST_CASE("every key comes out in the order in which it went in, however keys mix") {
  std::mt19937_64 random{11};
  KeyLanes lanes;
  std::deque<Delivery> deliveries(20'000);
  std::map<std::uint64_t, std::deque<Delivery*>> model;
  std::size_t queued = 0;
  std::size_t next = 0;
  while (next < deliveries.size() || !model.empty()) {
    if (next < deliveries.size() && random() % 100 < 55) {
      auto& delivery = deliveries[next++];
      delivery.key_hash = random() % 50;
      auto& lane = model[delivery.key_hash];
      lane.push_back(&delivery);
      REQUIRE(lanes.push(delivery) == (lane.size() == 1));
      ++queued;
    } else if (!model.empty()) {
      auto const lane = std::next(model.begin(), static_cast<std::ptrdiff_t>(random() % model.size()));
      auto& head = *lane->second.front();
      lane->second.pop_front();
      REQUIRE(lanes.pop(head) == (lane->second.empty() ? nullptr : lane->second.front()));
      if (lane->second.empty()) model.erase(lane);
      --queued;
    }
    REQUIRE(lanes.queued() == queued);
    REQUIRE(lanes.keys() == model.size());
  }
}

TEST_CASE("those behind a head that are chosen leave its queue, and the rest stays in order") {
  KeyLanes lanes;
  std::array<Delivery, 6> deliveries{};
  for (auto& each : deliveries) lanes.push(each);
  std::vector<Delivery*> taken;
  lanes.take_behind(
      deliveries[0], [&](Delivery const& each) { return &each == &deliveries[1] || &each == &deliveries[5]; }, taken);
  CHECK(taken == std::vector<Delivery*>{&deliveries[1], &deliveries[5]});
  CHECK(lanes.queued() == 4);
  deliveries[1] = Delivery{};
  lanes.push(deliveries[1]);
  CHECK(lanes.pop(deliveries[0]) == &deliveries[2]);
  CHECK(lanes.pop(deliveries[2]) == &deliveries[3]);
  CHECK(lanes.pop(deliveries[3]) == &deliveries[4]);
  CHECK(lanes.pop(deliveries[4]) == &deliveries[1]);
  CHECK(lanes.pop(deliveries[1]) == nullptr);
}
