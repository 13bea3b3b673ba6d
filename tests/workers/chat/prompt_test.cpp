#include "workers/chat/prompt.hpp"

#include <numeric>
#include <random>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::chat;

namespace {

std::vector<PastMessage> const history{
    {"user", "hello"}, {"assistant", "hi, how can I help?"}, {"user", "where is my card?"}};

std::size_t tokens_of(std::vector<llm::Message> const& prompt) {
  return std::accumulate(prompt.begin(), prompt.end(), std::size_t{0},
                         [](auto sum, auto const& each) { return sum + estimate_tokens(each.content); });
}

}  // namespace

TEST_CASE("a text takes a quarter of its bytes in tokens, rounded up, and four for its frame") {
  CHECK(estimate_tokens("") == 4);
  CHECK(estimate_tokens("a") == 5);
  CHECK(estimate_tokens("abcd") == 5);
  CHECK(estimate_tokens("abcde") == 6);
}

TEST_CASE("the prompt is the instructions, the history and the message, in this order") {
  auto const prompt = make_prompt("be brief", history, "and now?", 1'000);
  REQUIRE(prompt.size() == 5);
  CHECK(prompt[0].role == "system");
  CHECK(prompt[0].content == "be brief");
  for (std::size_t i = 0; i < history.size(); ++i) {
    CHECK(prompt[i + 1].role == history[i].role);
    CHECK(prompt[i + 1].content == history[i].content);
  }
  CHECK(prompt[4].role == "user");
  CHECK(prompt[4].content == "and now?");
}

TEST_CASE("what a person wrote for us reads as the assistant's") {
  auto const prompt = make_prompt("", {{"agent", "a colleague here"}}, "thanks", 1'000);
  REQUIRE(prompt.size() == 3);
  CHECK(prompt[1].role == "assistant");
  CHECK(prompt[1].content == "a colleague here");
}

TEST_CASE("when the budget is short the newest history is kept") {
  auto const fixed = estimate_tokens("be brief") + estimate_tokens("and now?");
  auto const newest = estimate_tokens(history[2].content);
  auto const prompt = make_prompt("be brief", history, "and now?", fixed + newest);
  REQUIRE(prompt.size() == 3);
  CHECK(prompt[1].content == history[2].content);
  CHECK(make_prompt("be brief", history, "and now?", fixed + newest - 1).size() == 2);
}

TEST_CASE("history has no holes: what is older than a line too long is left out as well") {
  std::vector<PastMessage> const lines{{"user", "short"}, {"assistant", std::string(4'000, 'x')}, {"user", "short"}};
  auto const prompt = make_prompt("", lines, "now", 500);
  REQUIRE(prompt.size() == 3);
  CHECK(prompt[1].content == "short");
}

TEST_CASE("the message is always there, also when it alone exceeds the budget") {
  std::string const question(10'000, 'q');
  for (std::size_t const budget : {0U, 1U, 100U}) {
    auto const prompt = make_prompt("be brief", history, question, budget);
    REQUIRE(prompt.size() == 2);
    CHECK(prompt[0].role == "system");
    CHECK(prompt[1].content == question);
  }
}

TEST_CASE("whatever the history, the prompt is its end, within the budget, and one line more would exceed it") {
  std::mt19937 random{11};
  for (int round = 0; round < 500; ++round) {
    std::vector<PastMessage> lines;
    for (auto left = random() % 40; left > 0; --left)
      lines.push_back({left % 2 == 0 ? "user" : "assistant", std::string(random() % 200, 'a')});
    auto const budget = 20 + random() % 800;
    auto const prompt = make_prompt("sys", lines, "msg", budget);
    auto const used = prompt.size() - 2;
    REQUIRE(used <= lines.size());
    REQUIRE(tokens_of(prompt) <= budget);
    for (std::size_t i = 0; i < used; ++i) REQUIRE(prompt[i + 1].content == lines[lines.size() - used + i].content);
    if (used < lines.size())
      REQUIRE(tokens_of(prompt) + estimate_tokens(lines[lines.size() - used - 1].content) > budget);
  }
}
