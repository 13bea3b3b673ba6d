#include "compose/simulator/oddities/oddity.hpp"
#include "compose/simulator/question.hpp"
#include "tests/common/llm/read_answer.hpp"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace omnibus::simulator {
namespace {

UsualAnswer usual(bool with_calls, bool stream) {
  UsualAnswer usual;
  usual.stream = stream;
  usual.include_usage = stream;
  usual.answer.id = "chatcmpl-1";
  usual.answer.model = "m";
  usual.answer.prompt_tokens = 20;
  usual.answer.completion_tokens = 12;
  if (with_calls) {
    usual.answer.calls = {{"call_1", "session_add_context", R"({"context":{"price":"250k – größer"}})"}};
    usual.answer.second_call = SimulatedCall{"call_2", "session_update_status", R"({"status":"follow_up"})"};
    usual.answer.finish_reason = "tool_calls";
  } else {
    usual.answer.text = "We ship größere Pakete tomorrow; 你好, and thank you for your patience.";
    usual.answer.finish_reason = "stop";
  }
  return usual;
}

std::vector<std::size_t> random_cuts(std::mt19937& random, std::size_t size) {
  std::vector<std::size_t> cuts(1 + random() % 20);
  for (auto& cut : cuts) cut = random() % (size + 1);
  std::sort(cuts.begin(), cuts.end());
  return cuts;
}

}  // namespace

TEST_CASE("an odd answer is read the same however its bytes are cut") {
  std::mt19937 random(15);
  auto read = 0;
  for (auto const& way : oddities()) {
    for (auto const with_calls : {false, true}) {
      for (auto const stream : {false, true}) {
        auto const reply = way.reply(usual(with_calls, stream));
        if (!reply || reply->status != 200) continue;
        ++read;
        auto const whole = llm::test::read_answer(reply->body);
        for (auto const size : {1UL, 2UL, 3UL, 7UL, 64UL})
          CHECK_MESSAGE(llm::test::read_answer(reply->body, size).summary() == whole.summary(), way.name, " by ", size);
        for (auto i = 0; i < 5; ++i) {
          auto const cut = llm::test::read_answer(reply->body, random_cuts(random, reply->body.size()));
          CHECK_MESSAGE(cut.summary() == whole.summary(), way.name);
          CHECK_MESSAGE(cut.said() == whole.said(), way.name);
        }
      }
    }
  }
  CHECK(read > 250);
}

}  // namespace omnibus::simulator
