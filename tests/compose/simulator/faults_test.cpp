#include "compose/simulator/faults.hpp"

#include <stdexcept>

#include <doctest/doctest.h>

namespace omnibus::simulator {
namespace {

int strikes(FaultPlan plan, int requests, std::string_view text = "hello", std::string_view model = "m") {
  auto count = 0;
  for (auto i = 0; i < requests; ++i) count += plan.next(text, model) != nullptr ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("a rule strikes every Nth request that meets its conditions") {
  CHECK(strikes(FaultPlan(parse_faults("reset:every=10")), 100) == 10);
  CHECK(strikes(FaultPlan(parse_faults("reset:match=bye")), 100) == 0);
  CHECK(strikes(FaultPlan(parse_faults("reset:match=ell,model=m,times=3")), 100) == 3);
  CHECK(strikes(FaultPlan(parse_faults("reset:model=n")), 100) == 0);
  CHECK(strikes(FaultPlan(parse_faults("reset:every=10;429:every=3")), 30) == 12);
}

TEST_CASE("a probability strikes as often as it says, and the same requests for the same seed") {
  auto const plan = [](std::uint64_t seed) { return FaultPlan(parse_faults("500:probability=0.1"), seed); };
  auto const count = strikes(plan(1), 10'000);
  CHECK(count > 900);
  CHECK(count < 1100);
  auto first = plan(1);
  auto second = plan(1);
  for (auto i = 0; i < 1000; ++i) CHECK((first.next("x", "m") == nullptr) == (second.next("y", "m") == nullptr));
}

TEST_CASE("rules are read from a specification and from JSON") {
  auto const rules = parse_faults("503;rate_limit:retry_after=7;latency:ms=250");
  REQUIRE(rules.size() == 3);
  CHECK(rules[0].kind == FaultKind::error);
  CHECK(rules[0].status == 503);
  CHECK(rules[1].retry_after == 7);
  CHECK(rules[2].ms == 250);
  auto const json = parse_fault_rules(R"({"rules":[{"kind":"drip","ms":5,"probability":0.25,"match":"a b"}]})");
  REQUIRE(json.size() == 1);
  CHECK(json[0].kind == FaultKind::drip);
  CHECK(json[0].probability == 0.25);
  CHECK(json[0].match == "a b");
}

TEST_CASE("oddities are told like faults, and those without conditions take turns") {
  OddityPlan plan(parse_faults<OddWay const*>("no-done;crlf-lines;only-thought:match=bye;no-id"));
  std::string names;
  for (auto const* text : {"a", "b", "c", "d", "bye", "e"}) {
    auto const* const rule = plan.next(text, "m");
    names += (rule != nullptr ? std::string(rule->kind->name) : "none") + ' ';
  }
  CHECK(names == "no-done crlf-lines no-id no-done crlf-lines no-id ");
  auto const rules = parse_fault_rules<OddWay const*>(R"({"rules":[{"kind":"no-id","every":4}]})");
  REQUIRE(rules.size() == 1);
  CHECK(rules[0].kind->name == "no-id");
  CHECK(rules[0].every == 4);
  CHECK_THROWS_WITH_AS(find_oddity("x"), doctest::Contains("no-done"), std::invalid_argument);
  CHECK_THROWS_AS(parse_faults<OddWay const*>("no-done:often=1"), std::invalid_argument);
}

TEST_CASE("what cannot be read is refused") {
  for (auto const* text :
       {"x", "reset:every=0", "reset:every=x", "reset:often=1", "reset:probability=2", "error:status=200"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_faults(text), std::invalid_argument);
  }
  for (auto const* text : {"", "[]", "{}", R"({"rules":[{}]})", R"({"rules":[{"kind":"x"}]})", R"({"rules":[1]})"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_fault_rules(text), std::invalid_argument);
  }
}

}  // namespace omnibus::simulator
