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

TEST_CASE("prices that cannot be read are named") {
  for (auto const* text : {"m", "m=1", "m=1/2", "=1/2/3", "m=1/2/x", "m=1/2/-3", "m=1/2/3.1234567", "m=1/2/1001"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(PriceTable::parse(text), std::invalid_argument);
  }
  CHECK(PriceTable::parse("m=1/2/3").find("m")->output == 3'000'000);
}

}  // namespace omnibus::llm
