#include "workers/simulator/answer.hpp"

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

}  // namespace omnibus::simulator
