#include "workers/conversation/guidance.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::conversation;

namespace {

GuidingInsight insight(char const* title, std::int64_t relevance, char const* type = "synergy", bool advanced = false,
                       std::int64_t score = 50) {
  return {name_uuid(Uuid{}, title), type, title, "", relevance, score, advanced};
}

std::vector<std::string> titles(std::vector<GuidingInsight> const& insights) {
  std::vector<std::string> found;
  for (auto const& each : insights) found.push_back(each.title);
  return found;
}

std::optional<std::string> alignment_of(std::vector<GivenInsight> const& given) {
  return alignment(given);
}

}  // namespace

TEST_CASE("a turn is given the three most relevant insights that no turn has advanced, and never a risk") {
  CHECK(titles(select_insights({insight("low", 10), insight("risk", 100, "risk"), insight("top", 90),
                                insight("done", 95, "synergy", true), insight("middle", 50, "next_step"),
                                insight("lower", 20)})) == std::vector<std::string>{"top", "middle", "lower"});
  CHECK(select_insights({insight("risk", 100, "risk"), insight("done", 90, "synergy", true)}).empty());
  CHECK(select_insights({}).empty());
}

TEST_CASE("equally relevant insights come in one order, whatever order they are read in") {
  auto const one = insight("one", 50);
  auto const two = insight("two", 50);
  auto const better = insight("better", 50, "synergy", false, 70);
  CHECK(titles(select_insights({one, two, better})) == titles(select_insights({two, better, one})));
  CHECK(select_insights({one, two, better}).front().title == "better");
}

TEST_CASE("alignment is the mean extent weighted by relevance, rounded half up in decimals") {
  Uuid const id{};
  CHECK(alignment_of({{id, 100, Extent::advanced}, {id, 50, Extent::touched}, {id, 50, Extent::none}}) == "0.63");
  CHECK(alignment_of({{id, 100, Extent::advanced}}) == "1.00");
  CHECK(alignment_of({{id, 100, Extent::none}, {id, 3, Extent::none}}) == "0.00");
  // 1/8, 3/8 and 5/8 are exact halves of a hundredth.
  CHECK(alignment_of({{id, 25, Extent::touched}, {id, 75, Extent::none}}) == "0.13");
  CHECK(alignment_of({{id, 75, Extent::touched}, {id, 25, Extent::none}}) == "0.38");
  CHECK(alignment_of({{id, 1, Extent::touched}, {id, 99, Extent::none}}) == "0.01");
  CHECK(alignment_of({{id, 29, Extent::touched}, {id, 71, Extent::none}}) == "0.15");
}

TEST_CASE("without insights of any relevance there is no alignment") {
  CHECK(alignment_of({}) == std::nullopt);
  CHECK(alignment_of({{Uuid{}, 0, Extent::advanced}}) == std::nullopt);
}
