// Limits of tokens and money: they hold before a call.
#include "tests/workers/conversation/talk.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::conversation;
using namespace omnibus::conversation::test;
using Kind = FakeContext::Kind;

namespace {

std::string message(std::int64_t number) {
  return "Message " + std::to_string(number * 7919) + " about " + std::to_string(number * 104729);
}

}  // namespace

TEST_CASE("a conversation ends before the call that might exceed its tokens") {
  Talk talk;
  talk.settings.conversation_max_tokens = 4'000;
  talk.set_up();
  for (int number = 1; number <= 12; ++number) talk.say(message(number));
  talk.usage = {900, 100, 0, 0, false};
  for (auto& answer : talk.model.script.answers) answer.usage = talk.usage;
  talk.run();
  CHECK(talk.ended() == "max_tokens");
  CHECK(talk.row().status == "completed");
  auto const spent = talk.row().spent.prompt_tokens + talk.row().spent.completion_tokens;
  CHECK(spent == 1000 * std::ssize(talk.said()));
  CHECK(spent <= 4'000);
  CHECK(talk.said().size() == 4);
  CHECK(talk.model.asked() == 4);
}

TEST_CASE("a conversation ends before the call that might exceed its cost") {
  Talk talk;
  // Of omnibus-small; nothing else says what a turn costs.
  talk.say(message(1));
  REQUIRE(talk.turn(1) == Kind::handled);
  auto const turn_cost = talk.row().spent.cost_nano_usd;
  REQUIRE(turn_cost > 0);

  Talk limited;
  limited.settings.conversation_max_cost = 0.000'9;
  limited.set_up();
  for (int number = 1; number <= 12; ++number) limited.say(message(number));
  for (auto& answer : limited.model.script.answers) answer.usage = {1'000, 400, 0, 0, false};
  limited.run();
  CHECK(limited.ended() == "max_cost");
  CHECK(limited.row().spent.cost_nano_usd <= 900'000);
  CHECK(limited.said().size() < 12);
}

TEST_CASE("a call without usage counts as estimated, so a limit is reached without any") {
  Talk talk;
  talk.settings.conversation_max_tokens = 3'000;
  talk.set_up();
  for (int number = 1; number <= 12; ++number) talk.say(message(number));
  for (auto& answer : talk.model.script.answers) answer.usage = {600, 30, 0, 0, true};
  talk.run();
  CHECK(talk.ended() == "max_tokens");
}

TEST_CASE("a second question that might exceed a limit is not asked, and the first one counts") {
  Talk talk;
  talk.settings.conversation_max_tokens = 2'000;
  talk.set_up();
  talk.say_raw("no JSON");
  talk.model.script.answers.back().usage = {1'500, 10, 0, 0, false};
  talk.say(message(1));
  CHECK(talk.turn(1) == Kind::handled);
  CHECK(talk.ended() == "max_tokens");
  CHECK(talk.model.asked() == 1);
  CHECK(talk.row().spent.prompt_tokens == 1'500);
}

TEST_CASE("refused and failed answers count") {
  Talk talk;
  talk.say_raw("no JSON");
  talk.say_raw("No.", "refusal");
  CHECK(talk.turn(1) == Kind::handled);
  CHECK(talk.ended() == "refused");
  CHECK(talk.row().spent.prompt_tokens == 200);
}
