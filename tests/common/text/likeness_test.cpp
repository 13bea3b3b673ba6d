#include "text/likeness.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;

namespace {

double alike(char const* one, char const* other) {
  auto const result = likeness(MessageShape{one}, MessageShape{other});
  CHECK(likeness(MessageShape{other}, MessageShape{one}) == result);
  return result;
}

}  // namespace

TEST_CASE("messages of three words and more are compared by runs of three words") {
  CHECK(alike("We could meet on Tuesday.", "we could meet, on tuesday!") == 1);
  CHECK(alike("one two three four", "one two three five") == doctest::Approx(1.0 / 3));
  CHECK(alike("one two three", "three two one") == 0);
}

TEST_CASE("case, accents, width, punctuation and white space do not count") {
  CHECK(alike("Café  au\tlait ici", "cafe au lait ici") == 1);
  CHECK(alike("ＯＫ then", "ok then.") == 1);
  CHECK(alike("Straße", "STRASSE") == 1);
}

TEST_CASE("a message of fewer than three words is compared by runs of three characters") {
  CHECK(alike("Thank you!", "thank you") == 1);
  CHECK(alike("Thank you!", "You're welcome!") < 0.2);
  CHECK(alike("Thank you", "Thank yous") == doctest::Approx(7.0 / 8));
  CHECK(alike("Thank you", "Thank you very much indeed") < repeats_from);
}

TEST_CASE("every length and script has a likeness") {
  std::vector<std::string> const texts{"",
                                       " ",
                                       "?",
                                       "!",
                                       "...",
                                       "a",
                                       "ab",
                                       "👍",
                                       "👎",
                                       "好的",
                                       "我们星期二见面",
                                       "我们星期三见面吧",
                                       "नमस्ते",
                                       "one two",
                                       "\xff",
                                       "\n\n",
                                       "a b c",
                                       "🧑‍🤝‍🧑 👍 ✅"};
  for (auto const& one : texts)
    for (auto const& other : texts) {
      CAPTURE(one);
      CAPTURE(other);
      auto const result = alike(one.c_str(), other.c_str());
      CHECK(result >= 0);
      CHECK(result <= 1);
      if (one == other) CHECK(result == 1);
    }
  CHECK(alike("👍", "👎") == 0);
  CHECK(alike("?", "!") == 0);
  CHECK(alike("是", "否") == 0);
  CHECK(alike("我们星期二见面", "我们星期二见面。") == 1);
}

TEST_CASE("agents that thank each other repeat from the seventh message on") {
  std::vector<std::string> const messages{"Hello, I build bridges out of timber.",
                                          "I look for somebody who tests timber joints.",
                                          "Could we test two joints in March?",
                                          "Yes, the first week of March suits me.",
                                          "Thank you!",
                                          "You're welcome!",
                                          "Thank you!",
                                          "You're welcome!"};
  CHECK(find_repeats(messages) == std::vector<bool>{false, false, false, false, false, false, true, true});
}

TEST_CASE("no message repeats nothing") {
  CHECK(find_repeats({}).empty());
}
