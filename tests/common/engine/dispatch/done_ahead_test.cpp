#include "engine/dispatch/done_ahead.hpp"

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include <doctest/doctest.h>

using omnibus::engine::DoneAhead;
using omnibus::engine::OffsetFrontier;

namespace {

constexpr std::size_t plenty = 1 << 20;

std::vector<std::int64_t> done_among(DoneAhead& done, std::int64_t from, std::int64_t to) {
  std::vector<std::int64_t> found;
  for (auto offset = from; offset < to; ++offset)
    if (done.contains(offset)) found.push_back(offset);
  return found;
}

}  // namespace

TEST_CASE("one stuck record with much done behind it is one short run") {
  OffsetFrontier frontier;
  frontier.begin(10);
  for (int offset = 11; offset <= 100'010; ++offset) frontier.finish(frontier.begin(offset));
  auto const text = DoneAhead{}.text(frontier, frontier.next_offset(), plenty);
  CHECK(text == "done:1+100000");
  auto done = DoneAhead::parse(text, 10);
  CHECK_FALSE(done.contains(10));
  CHECK(done.contains(11));
  CHECK(done.contains(100'010));
  CHECK_FALSE(done.contains(100'011));
  CHECK(done.empty());
}

TEST_CASE("nothing done ahead is no text") {
  OffsetFrontier frontier;
  frontier.finish(frontier.begin(1));
  frontier.begin(2);
  CHECK(DoneAhead{}.text(frontier, 2, plenty).empty());
}

TEST_CASE("gaps between offsets are told together with the run around them") {
  OffsetFrontier frontier;
  frontier.begin(5);
  for (auto const offset : {7, 20, 21}) frontier.finish(frontier.begin(offset));
  frontier.begin(30);
  frontier.finish(frontier.begin(40));
  auto done = DoneAhead::parse(DoneAhead{}.text(frontier, 5, plenty), 5);
  CHECK_FALSE(done.contains(5));
  for (auto const offset : {7, 20, 21}) CHECK(done.contains(offset));
  CHECK_FALSE(done.contains(30));
  CHECK(done.contains(40));
}

TEST_CASE("runs that do not fit are left out, whole and from the end") {
  OffsetFrontier frontier;
  for (int offset = 0; offset < 2'000; ++offset) {
    auto const sequence = frontier.begin(offset);
    if (offset % 2 == 1) frontier.finish(sequence);
  }
  auto const text = DoneAhead{}.text(frontier, 0, 100);
  CHECK(text.size() <= 100);
  auto done = DoneAhead::parse(text, 0);
  auto const found = done_among(done, 0, 2'000);
  REQUIRE(found.size() > 10);
  for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == static_cast<std::int64_t>(2 * i + 1));
  CHECK(DoneAhead{}.text(frontier, 0, 0).empty());
}

TEST_CASE("what an earlier owner had done is said again until it was read") {
  auto done = DoneAhead::parse("done:1+9,5+10", 100);  // 101 to 109, 115 to 124
  OffsetFrontier frontier;
  frontier.begin(100);
  for (int offset = 101; offset <= 103; ++offset) {
    REQUIRE(done.contains(offset));
    frontier.pass(offset);
  }
  CHECK(done.text(frontier, 100, plenty) == "done:1+3,0+6,5+10");
  auto again = DoneAhead::parse(done.text(frontier, 100, plenty), 100);
  CHECK(done_among(again, 100, 130).size() == 19);
}

TEST_CASE("metadata that is not ours, or does not add up, says nothing") {
  for (auto const* const text : {"", "done:", "someone else's", "done:x", "done:1", "done:1+", "done:1+0", "done:-1+5",
                                 "done:1+-5", "done:1+2;3+4", "done:1+2,3", "done:9223372036854775807+1",
                                 "done:1+9223372036854775807", "done:1+2,3+99999999999999999999"}) {
    CAPTURE(text);
    auto done = DoneAhead::parse(text, 10);
    CHECK(done.empty());
    CHECK_FALSE(done.contains(11));
  }
  CHECK(DoneAhead::parse("done:1+5", -1001).empty());
}

TEST_CASE("records before the position show that the log is another one: nothing of it counts as done") {
  auto done = DoneAhead::parse("done:1+1000", 50);
  CHECK_FALSE(done.contains(0));
  CHECK_FALSE(done.contains(60));
}

TEST_CASE("any pattern of finished records survives the text and back") {
  std::mt19937 random{11};
  for (int round = 0; round < 300; ++round) {
    OffsetFrontier frontier;
    std::set<std::int64_t> finished;
    std::vector<std::pair<std::int64_t, OffsetFrontier::Sequence>> open;
    std::int64_t offset = random() % 1000;
    for (int i = 0; i < 400; ++i, offset += 1 + (random() % 10 == 0 ? random() % 50 : 0))
      open.emplace_back(offset, frontier.begin(offset));
    std::shuffle(open.begin(), open.end(), random);
    open.resize(random() % open.size());
    for (auto const& [at, sequence] : open) {
      frontier.finish(sequence);
      finished.insert(at);
    }
    auto const position = frontier.next_offset();
    auto done = DoneAhead::parse(DoneAhead{}.text(frontier, position, plenty), position);
    finished.erase(finished.begin(), finished.lower_bound(position));
    CHECK(frontier.ahead() == finished.size());
    OffsetFrontier const& all = frontier;
    std::size_t runs = 0;
    all.for_each_run_ahead([&](std::int64_t, std::int64_t) { return ++runs, true; });
    for (auto const at : finished) CHECK(done.contains(at));
    if (runs > 0) CHECK_FALSE(done.contains(offset + 1));
  }
}

TEST_CASE("runs are forgotten at a record of a later leader epoch: the log was cut off and written anew") {
  OffsetFrontier frontier;
  frontier.begin(10);
  for (int offset = 11; offset <= 15; ++offset) frontier.finish(frontier.begin(offset));
  auto const text = DoneAhead{}.text(frontier, 10, plenty, 7);
  CHECK(text == "done:7/1+5");
  auto same = DoneAhead::parse(text, 10);
  CHECK_FALSE(same.contains(10, 6));
  CHECK(same.contains(11, 7));
  CHECK(same.contains(15, 5));
  auto anew = DoneAhead::parse(text, 10);
  CHECK_FALSE(anew.contains(10, 7));
  CHECK_FALSE(anew.contains(11, 8));
  CHECK_FALSE(anew.contains(12, 7));
  CHECK(anew.empty());
}

TEST_CASE("runs that are still to be read keep their leader epoch, if it is later than that of what was read") {
  OffsetFrontier frontier;
  frontier.begin(10);
  CHECK(DoneAhead::parse("done:7/5+5", 10).text(frontier, 10, plenty, 6) == "done:7/5+5");
  CHECK(DoneAhead::parse("done:7/5+5", 10).text(frontier, 10, plenty, 7) == "done:7/5+5");
  CHECK(DoneAhead::parse("done:5+5", 10).text(frontier, 10, plenty, 8) == "done:8/5+5");
  CHECK(DoneAhead::parse("done:5+5", 10).text(frontier, 10, plenty) == "done:5+5");
}

TEST_CASE("an epoch that is no number is another format") {
  for (auto const* const text :
       {"done:/1+5", "done:-1/1+5", "done:x/1+5", "done:7/", "done:7//1+5", "done:99999999999/1+5"}) {
    CAPTURE(text);
    CHECK(DoneAhead::parse(text, 10).empty());
  }
}
