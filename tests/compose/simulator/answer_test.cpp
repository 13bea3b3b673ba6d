#include "compose/simulator/answer.hpp"

#include <set>

#include <doctest/doctest.h>

namespace omnibus::simulator {

TEST_CASE("an answer is the same for the same question and mentions what it is about") {
  auto const answer = answer_to("When will my new card arrive?", 0);
  CHECK(answer == answer_to("When will my new card arrive?", 0));
  CHECK(answer.find("card arrive") != std::string::npos);
  std::set<std::string> answers;
  for (std::uint64_t seed = 0; seed < 20; ++seed) answers.insert(answer_to("When will my new card arrive?", seed));
  CHECK(answers.size() > 5);
}

TEST_CASE("any text gets an answer") {
  for (auto const* text : {"", "?", "how", "\xF0\x9F\x98\x80", "\xff\xfe", "{}", "%s {0}"}) {
    CHECK_FALSE(answer_to(text, 1).empty());
  }
  CHECK(answer_to(std::string(100'000, 'x'), 1).size() < 1000);
  CHECK(topic_of("Do you?") == "your request");
}

TEST_CASE("hashes are the same everywhere") {
  CHECK(stable_hash("omnibus", 7) == stable_hash("omnibus", 7));
}

TEST_CASE("a fact that is told to be another is understood, and nothing else is") {
  auto const fact = changed_fact("Hello. Change the price to 250k, please");
  REQUIRE(fact);
  CHECK(fact->name == "price");
  CHECK(fact->value == "250k");
  CHECK(changed_fact("set my Address to Kigali")->name == "address");
  for (auto const* text : {"", "change", "change to 5", "price to 250k", "change price", "change price to "})
    CHECK_FALSE_MESSAGE(changed_fact(text), text);
}

TEST_CASE("a transcript is summed up by what was asked first and said last") {
  CHECK(answer_to("user: Two mochas.\nassistant: With milk?\nuser: Yes.\nassistant: They are ready.\n", 1) ==
        R"(You asked: "Two mochas." We said last: "They are ready.")");
  for (auto const* text : {"", "user: alone", "no transcript\nat all", "user: a\nuser: b"})
    CHECK_FALSE_MESSAGE(summary_of(text), text);
}

TEST_CASE("who told a fact hears it again once it is kept") {
  CHECK(answer_from_tool("Change price to 250k", R"({"kept":true})") == "Done: price is now 250k.");
}

}  // namespace omnibus::simulator
