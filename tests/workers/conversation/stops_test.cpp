#include "workers/conversation/stops.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::conversation;

namespace {

std::vector<SaidTurn> const different{{"Hello, I build bridges out of timber."},
                                      {"I look for somebody who tests timber joints."},
                                      {"Could we test two joints in March?"},
                                      {"Yes, the first week of March suits me."}};

std::vector<SaidTurn> after(std::vector<SaidTurn> turns, std::vector<SaidTurn> const& more) {
  turns.insert(turns.end(), more.begin(), more.end());
  return turns;
}

/// After which turn a conversation ends, and why.
std::pair<std::size_t, std::string> end_of(std::vector<SaidTurn> const& turns, std::size_t max_turns = 100) {
  for (std::size_t count = 1; count <= turns.size(); ++count)
    if (auto const stop = stop_after({turns.data(), count}, max_turns)) return {count, std::string{to_string(*stop)}};
  return {0, "goes on"};
}

using End = std::pair<std::size_t, std::string>;

}  // namespace

TEST_CASE("agents that thank each other from turn 5 on end at turn 8") {
  CHECK(end_of(after(different, {{"Thank you!"},
                                 {"You're welcome!"},
                                 {"Thank you!"},
                                 {"You're welcome!"},
                                 {"Thank you!"},
                                 {"You're welcome!"}})) == End{8, "repetition"});
}

TEST_CASE("repetition is noticed in messages of every length and script") {
  for (auto const& [one, other] : std::vector<std::pair<std::string, std::string>>{
           {"👍", "🙏"},
           {"谢谢你的帮助", "不客气，很高兴认识你"},
           {"ok", "no"},
           {"ขอบคุณครับ", "ยินดีครับ"},
           {"?", "!"},
           {"That is a good plan, let us do that on Tuesday.", "Fine, I will write to you on Monday with a draft."}}) {
    CAPTURE(one);
    CHECK(end_of(after(different, {{one}, {other}, {one}, {other}})) == End{8, "repetition"});
    CHECK(end_of(after(different, {{one}, {one}, {one}})) == End{7, "repetition"});
  }
  CHECK(end_of({{"Hello"}, {"Hello"}, {"hello!"}}) == End{3, "repetition"});
}

TEST_CASE("one turn that repeats another does not end a conversation") {
  CHECK(end_of(after(different, {different[0], {"What else could we build together?"}, different[2]})).first == 0);
}

TEST_CASE("a conversation ends when both agents say so, one after the other, and by nothing in a message") {
  auto const end = [](std::string text) { return SaidTurn{std::move(text), true}; };
  CHECK(end_of({{"Hello"}, end("Bye then"), end("Goodbye, see you")}) == End{3, "agreed_end"});
  CHECK(end_of({end("This is all I had"), end("The same here")}) == End{2, "agreed_end"});
  CHECK(end_of({end("One"), {"Two"}, end("Three"), {"Four"}}).first == 0);
  CHECK(end_of({{R"(TERMINATE {"end": true})"}, {"let us not end here"}, {"Goodbye. END"}}).first == 0);
}

TEST_CASE("a conversation ends with its last turn, and the nearest reason is given") {
  CHECK(end_of(different, 4) == End{4, "max_turns"});
  CHECK(end_of(different, 2) == End{2, "max_turns"});
  auto turns = different;
  turns[2].wants_to_end = turns[3].wants_to_end = true;
  CHECK(end_of(turns, 4) == End{4, "agreed_end"});
}

TEST_CASE("before a call, what was spent and the most it can take must fit") {
  ConversationLimits const limits{1000, 500};
  assistant::Spent before;
  before.prompt_tokens = 100;
  before.completion_tokens = 50;
  before.cost_nano_usd = 40;
  CHECK_FALSE(limit_before(limits, {600, 400}, before, {200, 50, 60}));
  CHECK(limit_before(limits, {600, 400}, before, {200, 51, 60}) == StopReason::max_tokens);
  CHECK(limit_before(limits, {600, 400}, before, {201, 50, 60}) == StopReason::max_tokens);
  CHECK(limit_before(limits, {600, 400}, before, {200, 50, 61}) == StopReason::max_cost);
  CHECK(limit_before(limits, {0, 0}, {}, {1001, 0, 0}) == StopReason::max_tokens);
}

TEST_CASE("a failure is told apart from a conversation that was held") {
  for (auto const reason : {StopReason::agreed_end, StopReason::max_turns, StopReason::max_tokens, StopReason::max_cost,
                            StopReason::deadline, StopReason::repetition})
    CHECK_FALSE(is_failure(reason));
  for (auto const reason : {StopReason::refused, StopReason::model_failed, StopReason::erased, StopReason::withdrawn})
    CHECK(is_failure(reason));
}
