#include "engine/dispatch/offset_frontier.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include <doctest/doctest.h>

using omnibus::engine::OffsetFrontier;

TEST_CASE("a new frontier has no position") {
  OffsetFrontier const frontier;
  CHECK_FALSE(frontier.position().has_value());
  CHECK(frontier.open() == 0);
  CHECK(frontier.next_offset() == 0);
  CHECK_FALSE(frontier.oldest_open_ms().has_value());
}

TEST_CASE("records finished in order move the position one past each") {
  OffsetFrontier frontier;
  auto const first = frontier.begin(10);
  auto const second = frontier.begin(11);
  CHECK_FALSE(frontier.position().has_value());
  frontier.finish(first);
  CHECK(frontier.position() == 11);
  frontier.finish(second);
  CHECK(frontier.position() == 12);
  CHECK(frontier.open() == 0);
}

TEST_CASE("the position never passes a record that is not finished") {
  OffsetFrontier frontier;
  auto const first = frontier.begin(10);
  auto const second = frontier.begin(11);
  auto const third = frontier.begin(12);
  frontier.finish(third);
  frontier.finish(second);
  CHECK_FALSE(frontier.position().has_value());
  CHECK(frontier.open() == 3);
  frontier.finish(first);
  CHECK(frontier.position() == 13);
}

TEST_CASE("gaps between offsets are passed, also a gap in front of an open record") {
  OffsetFrontier frontier;
  auto const first = frontier.begin(100);
  auto const second = frontier.begin(205);
  auto const third = frontier.begin(9'000'000'000);
  frontier.finish(first);
  CHECK(frontier.position() == 101);
  frontier.finish(third);
  CHECK(frontier.position() == 101);
  frontier.finish(second);
  CHECK(frontier.position() == 9'000'000'001);
}

TEST_CASE("reading would go on at the first record that is not finished") {
  OffsetFrontier frontier;
  auto const first = frontier.begin(7);
  CHECK(frontier.next_offset() == 7);
  frontier.finish(first);
  CHECK(frontier.next_offset() == 8);
  frontier.begin(20);
  CHECK(frontier.next_offset() == 20);
}

TEST_CASE("the oldest open timestamp is that of the first record not finished") {
  OffsetFrontier frontier;
  auto const first = frontier.begin(1, 1'000);
  auto const second = frontier.begin(2, 500);
  CHECK(frontier.oldest_open_ms() == 1'000);
  frontier.finish(first);
  CHECK(frontier.oldest_open_ms() == 500);
  frontier.finish(second);
  CHECK_FALSE(frontier.oldest_open_ms().has_value());
}

TEST_CASE("many open records are kept apart when the ring grows, wherever it starts") {
  for (std::size_t const before : {0U, 1U, 37U, 63U, 64U, 100U}) {
    CAPTURE(before);
    OffsetFrontier frontier;
    for (std::size_t i = 0; i < before; ++i) frontier.finish(frontier.begin(static_cast<std::int64_t>(i)));
    std::vector<OffsetFrontier::Sequence> open;
    for (std::int64_t i = 0; i < 5'000; ++i) open.push_back(frontier.begin(1'000 + 2 * i));
    for (std::size_t i = open.size() - 1; i > 0; --i) frontier.finish(open[i]);
    CHECK(frontier.open() == 5'000);
    CHECK(frontier.next_offset() == 1'000);
    frontier.finish(open.front());
    CHECK(frontier.position() == 1'000 + 2 * 4'999 + 1);
    CHECK(frontier.open() == 0);
  }
}

TEST_CASE("in any order of finishing the position is the end of the finished records at the front") {
  std::mt19937_64 random{7};
  for (int round = 0; round < 200; ++round) {
    OffsetFrontier frontier;
    std::map<OffsetFrontier::Sequence, std::pair<std::int64_t, bool>> model;
    std::vector<OffsetFrontier::Sequence> open;
    std::int64_t offset = static_cast<std::int64_t>(random() % 100);
    std::size_t const width = 1 + random() % 300;
    for (int step = 0; step < 1'000; ++step) {
      if (open.empty() || (open.size() < width && random() % 2 == 0)) {
        auto const sequence = frontier.begin(offset, offset * 10);
        model[sequence] = {offset, false};
        open.push_back(sequence);
        offset += 1 + static_cast<std::int64_t>(random() % 5 == 0 ? random() % 1'000 : 0);
      } else {
        std::swap(open[random() % open.size()], open.back());
        frontier.finish(open.back());
        model[open.back()].second = true;
        open.pop_back();
      }
      std::optional<std::int64_t> position;
      auto first_open = model.begin();
      for (; first_open != model.end() && first_open->second.second; ++first_open)
        position = first_open->second.first + 1;
      REQUIRE(frontier.position() == position);
      REQUIRE(frontier.open() == static_cast<std::size_t>(std::distance(first_open, model.end())));
      if (first_open != model.end()) {
        REQUIRE(frontier.base() == first_open->first);
        REQUIRE(frontier.oldest_open_ms() == first_open->second.first * 10);
        REQUIRE(frontier.next_offset() == first_open->second.first);
      }
      // Keeps the model short; its last finished record remembers the position.
      while (model.size() > 1 && model.begin()->second.second && std::next(model.begin())->second.second)
        model.erase(model.begin());
    }
  }
}
