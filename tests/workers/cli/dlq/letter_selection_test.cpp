#include "workers/cli/dlq/letter_selection.hpp"

#include "workers/cli/dlq/redrive.hpp"

#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::cli;

namespace {

engine::DeadLetter letter(std::string worker, std::optional<std::string> key, std::int64_t offset) {
  engine::DeadLetter made;
  made.worker = std::move(worker);
  made.group = "omnibus-" + made.worker;
  made.original.key = std::move(key);
  made.partition = 3;
  made.offset = offset;
  made.timestamp_ms = 1000 * offset;
  made.error_class = "unknown_tenant";
  return made;
}

}  // namespace

TEST_CASE("ranges are read in four forms, and nothing else is") {
  auto const holds = [](std::string const& text, std::int64_t number) {
    return read_range("--offset", text).holds(number);
  };
  CHECK(holds("7", 7));
  CHECK_FALSE(holds("7", 8));
  CHECK(holds("7-12", 12));
  CHECK_FALSE(holds("7-12", 13));
  CHECK(holds("7-", 1'000'000));
  CHECK_FALSE(holds("7-", 6));
  CHECK(holds("-12", 0));
  CHECK_FALSE(holds("-12", 13));
  for (auto const* const wrong : {"", "-", "x", "7-x", "12-7", "1--2", "7 ", "99999999999999999999"})
    CHECK_THROWS_AS(read_range("--offset", wrong), std::invalid_argument);
}

TEST_CASE("a selection holds what all of its parts hold") {
  auto const one = letter("chat", "k", 5);
  CHECK(Selection{}.holds(one));
  CHECK(Selection{.error_class = "unknown_tenant", .worker = "chat"}.holds(one));
  CHECK(Selection{.worker = "omnibus-chat"}.holds(one));
  CHECK_FALSE(Selection{.worker = "telemetry"}.holds(one));
  CHECK_FALSE(Selection{.error_class = "other"}.holds(one));
  CHECK_FALSE(Selection{.partitions = {0, 2}}.holds(one));
  CHECK_FALSE(Selection{.offsets = {6, 9}}.holds(one));
  CHECK(Selection{.times = {5000, 5000}}.holds(one));
  CHECK_FALSE(Selection{.times = {5001, 9000}}.holds(one));
}

TEST_CASE("a letter waits for the first of its key and worker that stays behind, and for no other") {
  KeyOrder order;
  order.hold(letter("chat", "a", 4));
  order.hold(letter("chat", "a", 6));
  CHECK(order.waits_for(letter("chat", "a", 7)) == "3/4");
  CHECK_FALSE(order.waits_for(letter("chat", "b", 8)));
  CHECK_FALSE(order.waits_for(letter("telemetry", "a", 9)));
  order.hold(letter("chat", {}, 10));
  CHECK_FALSE(order.waits_for(letter("chat", {}, 11)));
}
