// When the answers to structured questions are recorded.
#include "tests/common/assistant/judgement_handler.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::assistant::test;

TEST_CASE("a usable answer may be recorded together with what comes of it") {
  JudgingBench bench;
  bench.judging.records_later = true;
  bench.say(right);
  CHECK(bench.tick() == FakeContext::Kind::handled);
  CHECK(bench.context.commits() == 1);
  CHECK(bench.model.answers.size() == 1);
  CHECK(bench.context.published<LlmCallCompleted>().size() == 1);
}

TEST_CASE("an answer that was to be recorded with what comes of it is recorded alone if that fails") {
  JudgingBench bench;
  bench.judging.records_later = true;
  bench.say(right);
  bench.context.fail_next_commit(Failure::outage("the database is away"));
  CHECK(bench.tick() == FakeContext::Kind::outage);
  CHECK(bench.model.answers.size() == 1);
  CHECK(bench.context.published<LlmCallCompleted>().size() == 1);
  CHECK(bench.context.try_again() == FakeContext::Kind::handled);
  CHECK(bench.judging.result.value().score == 0.7);
  CHECK(bench.model.asked() == 1);
  CHECK(bench.context.published<LlmCallCompleted>().size() == 1);
}

TEST_CASE("an answer that cannot be used is recorded before the model is asked once more") {
  JudgingBench bench;
  bench.judging.records_later = true;
  bench.say("Not JSON.");
  bench.model.script.on_asked = [&] {
    if (bench.model.asked() == 2) CHECK(bench.model.answers.size() == 1);
  };
  SUBCASE("and the second one with what comes of it") {
    bench.say(right);
    CHECK(bench.tick() == FakeContext::Kind::handled);
    CHECK(bench.context.commits() == 2);
  }
  SUBCASE("and the second one, too, if it is no better") {
    bench.say("Nor this.");
    CHECK(bench.tick().error_class == "model_output");
  }
  CHECK(bench.model.answers.size() == 2);
  CHECK(bench.model.asked() == 2);
}

TEST_CASE("an answer that was looked up is not looked for again") {
  JudgingBench bench;
  bench.say(right);
  REQUIRE(bench.tick() == FakeContext::Kind::handled);
  auto const recorded = bench.model.answers.begin()->second;
  SUBCASE("and is used") {
    bench.judging.looked_up = assistant::LookedUpAnswer{recorded};
    bench.model.answers.clear();
    CHECK(bench.context.come_again() == FakeContext::Kind::handled);
    CHECK(bench.model.asked() == 1);
    CHECK(bench.judging.result.value().score == 0.7);
  }
  SUBCASE("and if there was none, the model is asked") {
    bench.judging.looked_up.emplace();
    bench.say(right);
    CHECK(bench.context.come_again() == FakeContext::Kind::handled);
    CHECK(bench.model.asked() == 2);
  }
  SUBCASE("but the one to the second question is") {
    auto first = recorded;
    first.text = "Not JSON.";
    bench.judging.looked_up = assistant::LookedUpAnswer{first};
    auto const event = bench.model.answers.begin()->first.first;
    bench.model.answers[{event, assistant::request_key(event, "judge-again")}] = recorded;
    CHECK(bench.context.come_again() == FakeContext::Kind::handled);
    CHECK(bench.model.asked() == 1);
  }
}
