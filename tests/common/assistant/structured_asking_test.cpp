#include "tests/common/assistant/judgement_handler.hpp"

#include <cmath>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;
using assistant::AnswerFate;
using assistant::AnswerForm;
using assistant::Structured;
using namespace omnibus::assistant::test;

namespace {

llm::LlmError failed(llm::LlmError::Kind kind) {
  return {kind, "as told"};
}

using LlmKind = llm::LlmError::Kind;

}  // namespace

TEST_CASE("the engine is told what the prompt, the request and the longest answer hold") {
  JudgingBench bench;
  bench.judging.max_tokens = 1'000'000;
  bench.say(right);
  CHECK(bench.tick() == FakeContext::Kind::handled);
  CHECK(bench.context.working_bytes() > 4'000'000);
  CHECK(bench.context.working_bytes() < 4'001'000);
}

TEST_CASE("a right answer is taken at once, and what it took is known") {
  JudgingBench bench;
  bench.say("Here it is:\n```json\n{\"outcome\":\"Strong match\",\"score\":0.7,\"why\":\"\"}\n```");
  CHECK(bench.tick() == FakeContext::Kind::handled);
  CHECK(bench.model.asked() == 1);
  REQUIRE(bench.judging.result.answer);
  CHECK(bench.judging.result.value().outcome == "STRONG_MATCH");
  CHECK(bench.judging.result.value().score == 0.7);
  CHECK(bench.judging.result.model == "fake");
  auto const& spent = bench.judging.result.spent;
  CHECK(spent.calls == 1);
  CHECK(spent.prompt_tokens == 1000);
  CHECK(spent.completion_tokens == 10);
  CHECK(spent.cost_usd() == "0.000156000");
  CHECK(bench.context.published<LlmCallCompleted>().size() == 1);
  CHECK(bench.asked(0).response_format == judgement_form().response_format());
  CHECK(bench.asked(0).max_tokens == 100);
}

TEST_CASE("without a limit of its own a question has that of the setting") {
  JudgingBench bench;
  bench.judging.max_tokens = 0;
  bench.say(right);
  bench.tick();
  CHECK(bench.asked(0).max_tokens == 512);
}

TEST_CASE("an unusable answer is asked for once more, with what was wrong") {
  for (auto const* const wrong :
       {R"({"outcome":"STRONG_MATCH","score":8.5})", R"({"outcome":"STRONG_MATCH","score":"0.8"})",
        R"({"outcome":"STRONG_MATCH","score":"80%"})", R"({"outcome":"STRONG_MATCH","score":"high"})",
        R"({"outcome":"STRONG_MATCH","score":true})", R"({"outcome":"STRONG_MATCH","score":null})",
        R"({"outcome":"STRONG_MATCH","score":NaN})", R"({"outcome":"STRONG_MATCH","score":1e400})",
        R"({"outcome":"NO_MATCH","score":0.7})", R"({"outcome":"STRONG_MATCH"})", "I think they match.", "[]"}) {
    CAPTURE(wrong);
    JudgingBench bench;
    bench.say(wrong);
    bench.say(right);
    CHECK(bench.tick() == FakeContext::Kind::handled);
    REQUIRE(bench.model.asked() == 2);
    CHECK(bench.roles(1) == "suau");
    CHECK(bench.asked(1).messages[2].content == wrong);
    CHECK(bench.asked(1).max_tokens == 100);
    CHECK(bench.judging.result.value().score == 0.7);
    CHECK(bench.judging.result.spent.calls == 2);
    CHECK(bench.judging.result.spent.prompt_tokens == 2000);
    CHECK(bench.context.published<LlmCallCompleted>().size() == 2);
  }
}

TEST_CASE("minus zero is taken, and is zero") {
  JudgingBench bench;
  bench.say(R"({"outcome":"NO_MATCH","score":-0.0})");
  CHECK(bench.tick() == FakeContext::Kind::handled);
  CHECK(bench.model.asked() == 1);
  CHECK_FALSE(std::signbit(bench.judging.result.value().score));
}

TEST_CASE("a second unusable answer is a permanent failure that names what was wrong and has none of its text") {
  JudgingBench bench;
  bench.say("secret words");
  bench.say(R"({"outcome":"STRONG_MATCH","score":85,"note":"secret"})");
  auto const result = bench.tick();
  CHECK(result == FakeContext::Kind::parked);
  CHECK(result.error_class == "model_output");
  CHECK(result.reason == "the model's answer cannot be used: score must be a number from 0 to 1");
  CHECK(bench.model.asked() == 2);
  CHECK(bench.judging.result.fate == AnswerFate::unusable);
}

TEST_CASE("a cut answer is no answer, whatever it parses to, and the next one may be twice as long") {
  JudgingBench bench;
  bench.say(right + std::string(2000, 'x'), "length");
  bench.say(right, "length");
  auto const result = bench.tick();
  CHECK(result.error_class == "model_output");
  CHECK(result.reason.find("cut") != std::string::npos);
  REQUIRE(bench.model.asked() == 2);
  CHECK(bench.asked(1).max_tokens == 200);
  CHECK(bench.asked(1).messages[2].content == std::string{right} + std::string(500 - std::string{right}.size(), 'x'));
}

TEST_CASE("a filtered answer is asked for once more") {
  JudgingBench bench;
  bench.say(right, "content_filter");
  bench.say(right);
  CHECK(bench.tick() == FakeContext::Kind::handled);
  CHECK(bench.asked(1).max_tokens == 100);
}

TEST_CASE("a refusal is not asked again, and can be told apart") {
  JudgingBench bench;
  bench.say("I cannot judge people.", "refusal");
  auto const result = bench.tick();
  CHECK(result.error_class == "model_output");
  CHECK(bench.judging.result.fate == AnswerFate::refused);
  CHECK(bench.model.asked() == 1);
  CHECK(bench.judging.result.spent.calls == 1);
}

TEST_CASE("a provider that refuses the prompt refuses, too") {
  JudgingBench bench;
  bench.model.script.failure = failed(LlmKind::content_filter);
  bench.tick();
  CHECK(bench.judging.result.fate == AnswerFate::refused);
  CHECK(bench.model.asked() == 1);
}

TEST_CASE("an answer without words is asked for once more, recorded, and counted") {
  JudgingBench bench;
  bench.say("", "length", 1000, 100);
  bench.say(right);
  CHECK(bench.tick() == FakeContext::Kind::handled);
  REQUIRE(bench.model.asked() == 2);
  CHECK(bench.roles(1) == "su");
  CHECK(bench.asked(1).max_tokens == 200);
  CHECK(bench.judging.result.spent.calls == 2);
  CHECK(bench.judging.result.spent.completion_tokens == 110);
  CHECK(bench.context.published_now<LlmCallFailed>().size() == 1);
  CHECK(bench.context.published<LlmCallCompleted>().size() == 1);
}

TEST_CASE("both answers are paid for once, wherever an attempt ends") {
  JudgingBench bench;
  bench.say("no judgement");
  bench.model.script.on_asked = [&] {
    if (bench.model.asked() == 2) throw Failure::transient("killed between the two questions");
  };
  CHECK(bench.tick() == FakeContext::Kind::waits);
  auto const second_question = bench.asked(1);
  bench.model.script.on_asked = {};
  bench.say(right);
  auto commits_fail = true;
  bench.judging.after = [&] {
    if (std::exchange(commits_fail, false)) throw Failure::transient("killed before the commit");
  };
  CHECK(bench.context.try_again() == FakeContext::Kind::waits);
  REQUIRE(bench.model.asked() == 3);  // the second question alone
  CHECK(bench.asked(2).messages.size() == 4);
  CHECK(bench.asked(2).messages[3].content == second_question.messages[3].content);
  CHECK(bench.context.try_again() == FakeContext::Kind::handled);
  CHECK(bench.model.asked() == 3);
  CHECK(bench.judging.result.value().score == 0.7);
  CHECK(bench.judging.result.spent.calls == 2);
  CHECK(bench.context.published<LlmCallCompleted>().size() == 2);
  CHECK(bench.context.come_again() == FakeContext::Kind::handled);
  CHECK(bench.model.asked() == 3);
}

TEST_CASE("an event's only answer has no step of its own") {
  JudgingBench bench;
  bench.judging.step = {};
  bench.say("no");
  bench.say("no");
  CHECK(bench.tick().error_class == "model_output");
  CHECK(bench.context.redrive().error_class == "model_output");
  CHECK(bench.model.asked() == 2);
}

TEST_CASE("while a model may answer later the event is tried again, and then it is given up") {
  JudgingBench bench;
  bench.model.script.failure = failed(LlmKind::rate_limited);
  CHECK(bench.tick() == FakeContext::Kind::waits);
  auto const result = bench.context.try_until_over(std::chrono::minutes{5});
  CHECK(result == FakeContext::Kind::parked);
  CHECK(result.error_class == "model_failed");
  CHECK(result.reason == "no answer from the model: rate_limited");
  CHECK(bench.judging.result.fate == AnswerFate::unanswered);
}

TEST_CASE("what no attempt mends is given up at once") {
  JudgingBench bench;
  bench.model.script.failure = failed(LlmKind::quota);
  CHECK(bench.tick().error_class == "model_failed");
  JudgingBench another;
  another.model.script.failure = failed(LlmKind::context_length);
  CHECK(another.tick().error_class == "model_failed");
  CHECK(another.judging.result.fate == AnswerFate::too_long);
}

TEST_CASE("when the second question gets no answer the first one was unusable") {
  JudgingBench bench;
  bench.say("{}");
  bench.model.script.on_asked = [&] {
    if (bench.model.asked() == 2) bench.model.script.failure = failed(LlmKind::invalid_request);
  };
  auto const result = bench.tick();
  CHECK(result.error_class == "model_output");
  CHECK(result.reason == "the model's answer cannot be used: outcome is missing");
}

TEST_CASE("when no model answers the second question in all attempts, the model failed") {
  JudgingBench bench;
  bench.say("{}");
  bench.model.script.on_asked = [&] {
    if (bench.model.asked() == 2) bench.model.script.failure = failed(LlmKind::rate_limited);
  };
  CHECK(bench.tick() == FakeContext::Kind::waits);
  CHECK(bench.context.try_until_over().error_class == "model_failed");
  CHECK(bench.judging.result.spent.calls == 2);
}

TEST_CASE("an open circuit breaker holds back the event alone, for as long as it takes, while nobody waits") {
  JudgingBench bench;
  bench.model.script.failure = failed(LlmKind::breaker_open);
  CHECK(bench.tick() == FakeContext::Kind::deferred);
  bench.context.pass_time(std::chrono::hours{1});
  CHECK(bench.context.try_again() == FakeContext::Kind::deferred);
  CHECK(bench.context.attempt() == 1);
}

TEST_CASE("a structured answer has no latest time: its event is tried again") {
  JudgingBench bench;
  bench.model.script.failure = failed(LlmKind::timeout);
  CHECK(bench.tick() == FakeContext::Kind::waits);
  CHECK(bench.asked(0).until == std::chrono::steady_clock::time_point::max());
  CHECK(bench.context.try_again(std::chrono::minutes{3}) == FakeContext::Kind::waits);
}

TEST_CASE("what a fallback model mends counts with what failed before") {
  JudgingBench bench;
  bench.settings.llm_fallback_model = "omnibus-large";
  JudgementHandler judging{bench.model, bench.settings};
  llm::ChatCompletion cut;
  cut.usage.input = 500;
  cut.usage.output = 3;
  cut.usage.estimated = true;
  bench.model.script.failures.emplace_back(LlmKind::timeout, "as told", std::nullopt,
                                           std::make_shared<llm::ChatCompletion>(cut));
  bench.say(right);
  CHECK(bench.context.hand(judging, TickMonitor{{"2026-11-29T10:00:00Z"}}) == FakeContext::Kind::handled);
  CHECK(judging.result.spent.calls == 2);
  CHECK(judging.result.spent.prompt_tokens == 1500);
  CHECK(judging.result.spent.estimated);
  auto const& recorded = bench.model.answers.begin()->second;
  auto const read = json::decode<assistant::RecordedAnswer>(json::encode(recorded));
  REQUIRE(read.has_value());
  CHECK(read->failures->at(0).input_tokens == 500);
}

TEST_CASE("each question is allowed first, with the most it can take") {
  JudgingBench bench;
  std::vector<assistant::PlannedCall> planned;
  bench.judging.allows = [&](assistant::PlannedCall const& call, assistant::Spent const& before) {
    planned.push_back(call);
    return before.calls == 0;
  };
  bench.say("no", "length");
  CHECK(bench.tick().error_class == "model_failed");
  CHECK(bench.judging.result.fate == AnswerFate::denied);
  CHECK(bench.model.asked() == 1);
  REQUIRE(planned.size() == 2);
  CHECK(planned[0].max_tokens == 100);
  CHECK(planned[1].max_tokens == 200);
  CHECK(planned[0].prompt_tokens > 50);
  CHECK(planned[1].prompt_tokens > planned[0].prompt_tokens);
  CHECK(planned[0].cost_nano_usd == planned[0].prompt_tokens * 150 + 100 * 600);
  CHECK(bench.judging.result.spent.calls == 1);
}

TEST_CASE("what else must hold for one question is asked for once more, too") {
  JudgingBench bench;
  bench.judging.check = [](Judgement const& judgement) -> std::optional<InvalidField> {
    if (judgement.score > 0.6) return InvalidField{"score", "must be at most 0.6"};
    return std::nullopt;
  };
  bench.say(right);
  bench.say(R"({"outcome":"STRONG_MATCH","score":0.6})");
  CHECK(bench.tick() == FakeContext::Kind::handled);
  CHECK(bench.judging.result.value().score == 0.6);
  CHECK(bench.asked(1).messages[3].content.find("score must be at most 0.6") != std::string::npos);
}

TEST_CASE("in a replay a recorded answer is used and no model is asked") {
  JudgingBench bench;
  bench.say(right);
  bench.tick();
  bench.context.replay();
  bench.context.come_again();
  CHECK(bench.judging.result.value().score == 0.7);
  CHECK(bench.model.asked() == 1);
  bench.model.answers.clear();
  bench.context.come_again();
  CHECK(bench.judging.result.fate == AnswerFate::unanswered);
  CHECK(bench.model.asked() == 1);
}
