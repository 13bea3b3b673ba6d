// What waits in the database, against a database that is a map.
#include "engine/dispatch/deferred_keys.hpp"

#include <array>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus::engine;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t key = 7;
constexpr auto row = DeferredKeys::Arrival::row;
constexpr auto late = DeferredKeys::Arrival::late;
constexpr auto lane = DeferredKeys::Arrival::lane;

DeferredKeys::Place place(std::uint64_t key_hash, std::int64_t offset) {
  DeferredKeys::Place made;
  made.key_hash = key_hash;
  made.row.offset = offset;
  made.sequence = static_cast<OffsetFrontier::Sequence>(offset);
  return made;
}

/// A key that waits until now, with so many rows.
struct Waiting {
  explicit Waiting(int rows) {
    keys.wait(key, now);
    for (auto i = 0; i < rows; ++i) keys.append(place(key, i));
    write();
  }
  void write() { keys.written(keys.take_unwritten(1'000)); }

  Clock::time_point now = Clock::now();
  DeferredKeys keys;
};

}  // namespace

TEST_CASE("a key is not read before it is due and everything of it is written, and first a single row of it") {
  DeferredKeys keys;
  auto const now = Clock::now();
  keys.wait(key, now + 1s);
  keys.append(place(key, 0));
  keys.append(place(key, 1));
  CHECK(keys.holds(key));
  CHECK(keys.begin_loads(now + 1s, 10).empty());
  keys.written(keys.take_unwritten(10));
  CHECK(keys.rows() == 2);
  CHECK(keys.begin_loads(now + 999ms, 10).empty());
  auto const loads = keys.begin_loads(now + 1s, 10);
  REQUIRE(loads.size() == 1);
  CHECK(loads[0].key_hash == key);
  CHECK(loads[0].most == 1);
  CHECK(keys.begin_loads(now + 1s, 10).empty());
}

TEST_CASE("when the first row has ended many more are read, and the key is forgotten with the last one") {
  Waiting waiting{3};
  auto& keys = waiting.keys;
  REQUIRE(keys.begin_loads(waiting.now, 10).size() == 1);
  CHECK(keys.end_load(key, 1, true, waiting.now).submit);
  CHECK(keys.arrive(key) == row);
  keys.left(key, true, waiting.now);
  CHECK(keys.is_due(waiting.now));
  auto const loads = keys.begin_loads(waiting.now, 10);
  REQUIRE(loads.size() == 1);
  CHECK(loads[0].most == DeferredKeys::most_rows);
  CHECK(keys.end_load(key, 2, false, waiting.now).last);
  CHECK(keys.arrive(key) == lane);
  keys.left(key, true, waiting.now);
  keys.left(key, true, waiting.now);
  CHECK(keys.empty());
  CHECK(keys.rows() == 0);
  CHECK(keys.active() == 0);
}

TEST_CASE("what arrives while the last rows are read goes behind them, and becomes rows when it is too much") {
  Waiting waiting{1};
  auto& keys = waiting.keys;
  REQUIRE(keys.begin_loads(waiting.now, 10).size() == 1);
  std::deque<Delivery> deliveries;
  auto const arrive = [&] {
    auto& delivery = deliveries.emplace_back();
    delivery.key_hash = key;
    keys.keep_late(delivery);
  };
  for (std::size_t i = 0; i < DeferredKeys::most_late; ++i) {
    REQUIRE(keys.arrive(key) == late);
    arrive();
  }
  SUBCASE("few enough") {
    auto const loaded = keys.end_load(key, 1, false, waiting.now);
    CHECK(loaded.last);
    CHECK(loaded.late.size() == DeferredKeys::most_late);
    CHECK(loaded.late.front() == &deliveries.front());
  }
  SUBCASE("too many, written before the rows are read") {
    REQUIRE(keys.arrive(key) == row);
    auto const kept = keys.take_late(key);  // they become rows before it does
    CHECK(kept.size() == DeferredKeys::most_late);
    CHECK(kept.front() == &deliveries.front());
    keys.append(place(key, 100));
    waiting.write();
    CHECK(keys.arrive(key) == row);
    auto const loaded = keys.end_load(key, 1, false, waiting.now);
    CHECK_FALSE(loaded.last);
    CHECK(keys.arrive(key) == row);
  }
}

TEST_CASE("a key that is put off again does not run, and comes when it is due then") {
  Waiting waiting{2};
  auto& keys = waiting.keys;
  REQUIRE(keys.begin_loads(waiting.now, 10).size() == 1);
  keys.wait(key, waiting.now + 1h);
  CHECK_FALSE(keys.end_load(key, 1, true, waiting.now).submit);
  CHECK(keys.begin_loads(waiting.now + 59min, 10).empty());
  CHECK(keys.begin_loads(waiting.now + 1h, 10).size() == 1);
}

TEST_CASE("only so many keys are read at once, in the order in which they are due") {
  DeferredKeys keys;
  auto const now = Clock::now();
  for (std::uint64_t i = 0; i < 100; ++i) keys.adopt(i, now - i * 1s, 1, now);
  auto const loads = keys.begin_loads(now, 10);
  REQUIRE(loads.size() == 10);
  for (std::uint64_t i = 0; i < 10; ++i) CHECK(loads[i].key_hash == 99 - i);
  CHECK(keys.active() == 10);
}

TEST_CASE("partitions share what may be read at once, and what one does not need falls to the others") {
  auto const now = Clock::now();
  std::array<DeferredKeys, 3> partitions;
  for (auto const& [number, due] : {std::pair{0U, 100U}, {1U, 1U}, {2U, 100U}})
    for (std::uint64_t i = 0; i < due; ++i) partitions[number].adopt(i, now, 1, now);
  std::array<DeferredKeys*, 3> const all{&partitions[0], &partitions[1], &partitions[2]};
  auto const shares = [&](std::size_t most) {
    std::array<int, 3> counts{};
    for (auto const& each : begin_loads(all, now, most)) ++counts[each.partition];
    return counts;
  };
  CHECK(shares(21) == std::array{10, 1, 10});
  CHECK(shares(1) == std::array{1, 0, 0});
  CHECK(shares(0) == std::array{0, 0, 0});
  CHECK(shares(1'000) == std::array{89, 0, 90});
}

namespace {

/// A worker and its database, step by step.
class World {
 public:
  explicit World(std::uint64_t seed) : random_{seed} {}

  void arrive() {
    auto const key_hash = random_() % 4;
    auto const offset = next_++;
    expected_[key_hash].push_back(offset);
    auto const goes = keys_.holds(key_hash) ? keys_.arrive(key_hash) : lane;
    if (goes == row) {
      for (auto const* const each : keys_.take_late(key_hash))
        keys_.append(place(key_hash, static_cast<std::int64_t>(each->sequence)));
      return keys_.append(place(key_hash, offset));
    }
    auto& delivery = make(key_hash, offset);
    if (goes == late)
      keys_.keep_late(delivery);
    else
      lanes_[key_hash].push_back(&delivery);
  }
  void begin_writing() {
    if (writing_.empty()) writing_ = keys_.take_unwritten(1 + random_() % 5);
  }
  void end_writing() {
    if (random_() % 4 == 0) return keys_.not_written(std::exchange(writing_, {}));
    for (auto const& each : writing_) database_[each.key_hash].insert(each.row.offset);
    keys_.written(writing_);
    writing_.clear();
  }
  void begin_loading() {
    auto const loads = keys_.begin_loads(now_, 2);
    for (auto const& [key_hash, offset] : std::exchange(finished_, {})) database_[key_hash].erase(offset);
    for (auto const& load : loads) {
      auto const& rows = database_[load.key_hash];
      Loading loading{load.key_hash, {}, rows.size() > load.most};
      for (auto const offset : rows)
        if (loading.offsets.size() < load.most) loading.offsets.push_back(offset);
      loading_.push_back(loading);
    }
  }
  void end_loading() {
    if (loading_.empty()) return;
    auto const [key_hash, offsets, more] = loading_.front();
    loading_.pop_front();
    auto const loaded = keys_.end_load(key_hash, offsets.size(), more, now_);
    if (loaded.submit) {
      for (auto const offset : offsets) {
        auto& delivery = make(key_hash, offset);
        delivery.row = std::make_unique<DeferredRow>();
        delivery.row->offset = offset;
        lanes_[key_hash].push_back(&delivery);
      }
    }
    for (auto* const each : loaded.late) {
      if (loaded.last)
        lanes_[key_hash].push_back(each);
      else
        keys_.append(place(key_hash, static_cast<std::int64_t>(each->sequence)));
    }
  }
  void work() {
    auto const key_hash = random_() % 4;
    auto& its = lanes_[key_hash];
    if (its.empty()) return;
    auto* const head = its.front();
    if (!calm_ && random_() % 3 == 0) {
      keys_.wait(key_hash, now_ + random_() % 20 * 1ms);
      for (auto* const each : its) {
        if (each->row) keys_.left(key_hash, false, now_);
        if (each->row && each != head) continue;
        auto put = place(key_hash, static_cast<std::int64_t>(each->sequence));
        if (each->row) put.sequence.reset();
        keys_.append(put);
      }
      its.clear();
      return;
    }
    its.pop_front();
    handled_[key_hash].push_back(static_cast<std::int64_t>(head->sequence));
    if (!head->row) return;
    finished_.emplace_back(key_hash, head->row->offset);
    keys_.left(key_hash, true, now_);
  }
  void step() {
    now_ += 1ms;
    static constexpr std::array<void (World::*)(), 8> steps{
        &World::arrive,      &World::begin_writing, &World::end_writing, &World::begin_loading,
        &World::end_loading, &World::work,          &World::work,        &World::work};
    auto const chosen = steps[random_() % steps.size()];
    if (calm_ && chosen == &World::arrive) return;
    (this->*chosen)();
  }
  void calm() { calm_ = true; }
  bool is_idle() const { return keys_.empty() && handled_ == expected_; }
  std::map<std::uint64_t, std::vector<std::int64_t>> const& handled() const { return handled_; }
  std::map<std::uint64_t, std::vector<std::int64_t>> const& expected() const { return expected_; }
  DeferredKeys const& keys() const { return keys_; }

 private:
  struct Loading {
    std::uint64_t key_hash;
    std::vector<std::int64_t> offsets;
    bool more;
  };
  Delivery& make(std::uint64_t key_hash, std::int64_t offset) {
    auto& delivery = deliveries_.emplace_back();
    delivery.key_hash = key_hash;
    delivery.sequence = static_cast<OffsetFrontier::Sequence>(offset);
    return delivery;
  }

  std::mt19937_64 random_;
  Clock::time_point now_ = Clock::now();
  DeferredKeys keys_;
  std::deque<Delivery> deliveries_;
  std::map<std::uint64_t, std::deque<Delivery*>> lanes_;
  std::map<std::uint64_t, std::set<std::int64_t>> database_;
  std::vector<DeferredKeys::Place> writing_;
  std::deque<Loading> loading_;
  std::vector<std::pair<std::uint64_t, std::int64_t>> finished_;
  std::map<std::uint64_t, std::vector<std::int64_t>> handled_;
  std::map<std::uint64_t, std::vector<std::int64_t>> expected_;
  std::int64_t next_ = 0;
  bool calm_ = false;
};

}  // namespace

TEST_CASE("whenever events arrive, are written, read and deferred, each key's end once and in order") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    World world{seed};
    for (auto i = 0; i < 400; ++i) world.step();
    world.calm();
    for (auto i = 0; i < 20'000 && !world.is_idle(); ++i) world.step();
    REQUIRE(world.handled() == world.expected());
    CHECK(world.keys().empty());
    CHECK(world.keys().rows() == 0);
    CHECK(world.keys().active() == 0);
  }
}
