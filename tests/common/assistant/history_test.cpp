#include "assistant/history.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using assistant::asks_something;
using assistant::healed;
using llm::Message;

namespace {

/// Roles by their first letters, and texts.
std::string told(std::vector<Message> const& prompt) {
  std::string all;
  for (auto const& message : prompt) {
    if (!all.empty()) all += " | ";
    all += message.role.substr(0, 1) + ": " + message.content;
    for (auto const& call : message.tool_calls) all += " +" + call.name;
  }
  return all;
}

}  // namespace

TEST_CASE("a usual prompt stays as it is") {
  std::vector<Message> const prompt{{"system", "Be brief."}, {"user", "Hi"}, {"assistant", "Yes?"}, {"user", "Price?"}};
  CHECK(told(healed(prompt)) == "s: Be brief. | u: Hi | a: Yes? | u: Price?");
}

TEST_CASE("messages without words are in no prompt, and roles alternate") {
  CHECK(told(healed({{"system", "S"}, {"user", "Hi"}, {"assistant", ""}, {"user", "There?"}})) ==
        "s: S | u: Hi\n\nThere?");
  CHECK(told(healed({{"system", "S"},
                     {"user", "Hi"},
                     {"assistant", " \n"},
                     {"assistant", "Yes"},
                     {"assistant", "?"},
                     {"user", "Ok"}})) == "s: S | u: Hi | a: Yes\n\n? | u: Ok");
  CHECK(told(healed({{"system", ""}, {"user", "Hi"}})) == "u: Hi");
}

TEST_CASE("the first word is the user's: what we wrote before is told in the instructions") {
  CHECK(
      told(healed({{"system", "S"}, {"assistant", "Your table is free."}, {"assistant", "Come?"}, {"user", "Yes"}})) ==
      "s: S\nYou wrote to this person before:\nYour table is free.\nCome? | u: Yes");
  CHECK(told(healed({{"assistant", "Come?"}, {"user", "Yes"}})) ==
        "s: \nYou wrote to this person before:\nCome? | u: Yes");
}

TEST_CASE("tool calls and their results stay") {
  std::vector<Message> prompt{{"system", "S"}, {"user", "Hi"}, {"assistant", "", {{"c1", "f", "{}"}}}};
  prompt.push_back({"tool", "", {}, "c1"});
  prompt.push_back({"tool", "{}", {}, "c2"});
  prompt.push_back({"assistant", "", {{"c3", "g", "{}"}}});
  prompt.push_back({"tool", "{}", {}, "c3"});
  CHECK(told(healed(prompt)) == "s: S | u: Hi | a:  +f | t:  | t: {} | a:  +g | t: {}");
  CHECK(asks_something(healed(prompt)));
  CHECK(told(healed({{"user", "Hi"}, {"assistant", "One"}, {"assistant", "Two", {{"c", "f", "{}"}}}})) ==
        "u: Hi | a: One\n\nTwo +f");
}

TEST_CASE("a prompt without a question is known as such") {
  CHECK(asks_something({{"user", "Hi"}}));
  CHECK_FALSE(asks_something(healed({{"system", "S"}, {"user", " "}})));
  CHECK_FALSE(asks_something(healed({{"user", "Hi"}, {"assistant", "Yes"}, {"user", ""}})));
  CHECK_FALSE(asks_something({}));
}
