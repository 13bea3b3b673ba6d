#include "engine/dispatch/timer_queue.hpp"

#include <array>
#include <deque>
#include <map>
#include <random>
#include <set>

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using omnibus::engine::Clock;
using omnibus::engine::Delivery;
using omnibus::engine::TimerQueue;

namespace {

constexpr Clock::time_point start{1h};

}  // namespace

TEST_CASE("an empty timer queue has nothing due") {
  TimerQueue timers;
  CHECK(timers.size() == 0);
  CHECK_FALSE(timers.earliest().has_value());
  CHECK(timers.pop_due(Clock::time_point::max()) == nullptr);
}

TEST_CASE("a delivery is due at its time and not before") {
  TimerQueue timers;
  Delivery delivery;
  timers.add(start + 10ms, delivery);
  CHECK(timers.earliest() == start + 10ms);
  CHECK(timers.pop_due(start + 10ms - 1ns) == nullptr);
  CHECK(timers.pop_due(start + 10ms) == &delivery);
  CHECK(timers.pop_due(start + 10ms) == nullptr);
  CHECK(timers.size() == 0);
}

TEST_CASE("what is due comes out earliest first, whatever the order of adding") {
  TimerQueue timers;
  std::array<Delivery, 3> deliveries{};
  timers.add(start + 2ms, deliveries[2]);
  timers.add(start, deliveries[0]);
  timers.add(start + 1ms, deliveries[1]);
  CHECK(timers.earliest() == start);
  for (auto& expected : deliveries) CHECK(timers.pop_due(start + 1h) == &expected);
}

TEST_CASE("deliveries of a partition are taken out before their time and the others keep theirs") {
  TimerQueue timers;
  std::array<Delivery, 4> deliveries{};
  for (std::size_t i = 0; i < deliveries.size(); ++i) {
    deliveries[i].key_hash = i;
    timers.add(start + std::chrono::milliseconds{i}, deliveries[i]);
  }
  auto const taken = timers.take_if([](Delivery const& each) { return each.key_hash % 2 == 0; });
  CHECK(std::set<Delivery*>{taken.begin(), taken.end()} == std::set<Delivery*>{&deliveries[0], &deliveries[2]});
  CHECK(timers.size() == 2);
  CHECK(timers.earliest() == start + 1ms);
  CHECK(timers.pop_due(start + 1h) == &deliveries[1]);
  CHECK(timers.pop_due(start + 1h) == &deliveries[3]);
}

TEST_CASE("any mix of adding, waiting and taking out agrees with a sorted list") {
  std::mt19937_64 random{3};
  for (int round = 0; round < 50; ++round) {
    TimerQueue timers;
    std::deque<Delivery> deliveries;
    std::multimap<Clock::time_point, Delivery*> model;
    auto now = start;
    for (int step = 0; step < 1'000; ++step) {
      auto const choice = random() % 100;
      if (choice < 60) {
        auto& delivery = deliveries.emplace_back();
        delivery.key_hash = random() % 10;
        auto const when = now + std::chrono::milliseconds{random() % 50};
        timers.add(when, delivery);
        model.emplace(when, &delivery);
      } else if (choice < 98) {
        now += std::chrono::milliseconds{random() % 5};
        while (auto* const due = timers.pop_due(now)) {
          // Those of one moment may come in any order.
          auto [from, to] = model.equal_range(model.begin()->first);
          auto const found = std::find_if(from, to, [&](auto const& each) { return each.second == due; });
          REQUIRE(found != to);
          REQUIRE(found->first <= now);
          model.erase(found);
        }
        REQUIRE((model.empty() || model.begin()->first > now));
      } else {
        auto const key = random() % 10;
        auto const taken = timers.take_if([&](Delivery const& each) { return each.key_hash == key; });
        REQUIRE(taken.size() == std::erase_if(model, [&](auto const& each) { return each.second->key_hash == key; }));
      }
      REQUIRE(timers.size() == model.size());
      REQUIRE(timers.earliest() == (model.empty() ? std::nullopt : std::optional{model.begin()->first}));
    }
  }
}
