#include "llm/prices.hpp"

#include <doctest/doctest.h>

namespace omnibus::llm {

TEST_CASE("a call's cost is exact to the nano-dollar") {
  auto const& table = PriceTable::built_in();
  CHECK(table.cost("gpt-4o-mini", {1000, 500, 0, 0, false}).usd == "0.000450000");
  CHECK(table.cost("gpt-4o-mini-2024-07-18", {1000, 0, 400, 0, false}).usd == "0.000120000");
  CHECK(table.cost("gpt-4o", {1'000'000'000, 1'000'000'000, 0, 0, false}).usd == "12500.000000000");
  auto const odd = PriceTable::parse("m=0.000333/0/0");
  CHECK(odd.cost("m", {1, 0, 0, 0, false}).usd == "0.000000000");
  CHECK(odd.cost("m", {2, 0, 0, 0, false}).usd == "0.000000001");
}

TEST_CASE("an unknown model costs nothing and says that it is not known") {
  auto const cost = PriceTable::built_in().cost("gpt-4o-audio-preview", {1000, 500, 0, 0, false});
  CHECK(cost.usd == "0.000000000");
  CHECK_FALSE(cost.known);
}

TEST_CASE("a price belongs to its model: only a date or -latest at the end is a version of it") {
  auto const table = PriceTable::parse("claude-opus-4=15/1.5/75,gpt-4o=2.5/1.25/10,o3=2/0.5/8");
  for (auto const* const same : {"claude-opus-4", "claude-opus-4-20250514", "claude-opus-4-latest", "gpt-4o-2024-08-06",
                                 "gpt-4o-latest", "o3-2025-04-16"}) {
    CAPTURE(same);
    CHECK(table.find(same));
  }
  for (auto const* const other :
       {"claude-opus-4-1", "claude-opus-4-1-20250805", "claude-opus-4-5", "gpt-4o-1", "gpt-4o-0613", "gpt-4o-20241399",
        "gpt-4o-2024-13-01", "gpt-4o-2024-1-1", "gpt-4o-latest-1", "gpt-4o-1-latest", "gpt-4o-12345678", "o3-",
        "-latest", "-20250514", "20250514", ""}) {
    CAPTURE(other);
    CHECK_FALSE(table.find(other));
  }
}

TEST_CASE("prices that cannot be read are named") {
  for (auto const* text : {"m", "m=1", "m=1/2", "=1/2/3", "m=1/2/x", "m=1/2/-3", "m=1/2/3.1234567", "m=1/2/1001"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(PriceTable::parse(text), std::invalid_argument);
  }
  CHECK(PriceTable::parse("m=1/2/3").find("m")->output == 3'000'000);
}

}  // namespace omnibus::llm
