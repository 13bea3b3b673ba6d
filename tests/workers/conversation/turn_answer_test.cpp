#include "workers/conversation/turn_answer.hpp"

#include "tests/common/assistant/answer_struct.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::conversation;

namespace {

Uuid id(char const* name) {
  return name_uuid(Uuid{}, name);
}

bool fits(assistant::AnswerForm const& form, std::string const& touched, std::string const& advanced) {
  auto const document =
      R"({"message":"Hello","end":false,"touched":[)" + touched + R"(],"advanced":[)" + advanced + "]}";
  return fit(form.shape(), document).has_value();
}

std::string quoted(char const* name) {
  return '"' + to_string(id(name)) + '"';
}

}  // namespace

TEST_CASE("the struct of a turn's answer has the members of its form") {
  CHECK(assistant::test::difference_from_form<TurnAnswer>().empty());
}

TEST_CASE("the form of a turn lists the insights that it may name") {
  std::vector<GivenInsight> const given{{id("one"), 100}, {id("two"), 50}};
  auto const form = turn_form(given);
  CHECK(fits(form, "", ""));
  CHECK(fits(form, quoted("two"), quoted("one") + "," + quoted("two")));
  CHECK_FALSE(fits(form, quoted("three"), ""));
  CHECK_FALSE(fits(form, "", quoted("three")));
  CHECK(form.name() == "agent_turn.v1");
}

TEST_CASE("without insights none may be named") {
  auto const form = turn_form({});
  CHECK(fits(form, "", ""));
  CHECK_FALSE(fits(form, quoted("one"), ""));
  CHECK_FALSE(fits(form, "", quoted("one")));
}

TEST_CASE("extents are taken over by id: advanced is further than touched, and what is not named is neither") {
  std::vector<GivenInsight> given{{id("one"), 100}, {id("two"), 50}, {id("three"), 50, Extent::advanced}};
  CHECK_FALSE(take_extents({"Hello", false, {id("one"), id("two"), id("two")}, {id("two")}}, given));
  CHECK(given[0].extent == Extent::touched);
  CHECK(given[1].extent == Extent::advanced);
  CHECK(given[2].extent == Extent::none);
}

TEST_CASE("an insight that was not given is refused") {
  std::vector<GivenInsight> given{{id("one"), 100}};
  CHECK(take_extents({"Hello", false, {id("two")}, {}}, given)->field == "touched");
  CHECK(take_extents({"Hello", false, {}, {id("one"), id("two")}}, given)->field == "advanced");
}
