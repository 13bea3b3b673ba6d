#include "assistant/answer_form.hpp"
#include "assistant/structured_text.hpp"
#include "tests/compose/simulator/simulator_fixture.hpp"

#include <string>

#include <doctest/doctest.h>

namespace omnibus::simulator {
namespace {

assistant::AnswerForm const& analysis() {
  static assistant::AnswerForm const form{"analysis.v1", R"({"type":"object","additionalProperties":false,
    "required":["fit","probabilities","insights","given","summary"],"properties":{
    "fit":{"type":"number","minimum":0,"maximum":1},
    "probabilities":{"type":"object","description":"They sum to 1.","additionalProperties":false,
      "required":["strong","weak"],"properties":{"strong":{"type":"number","minimum":0,"maximum":1},
                                                 "weak":{"type":"number","minimum":0,"maximum":1}}},
    "insights":{"type":"array","minItems":1,"maxItems":5,"items":{"type":"object","additionalProperties":false,
      "required":["kind","title"],"properties":{"kind":{"type":"string","enum":["synergy","hidden_asset"]},
                                                "title":{"type":"string","minLength":1,"maxLength":20}}}},
    "given":{"type":"array","maxItems":2,"items":{"type":"string","enum":["0b7e4a62-5d0f-4a7c-9e55-3e1f6f0e8d11"]}},
    "summary":{"type":["string","null"],"maxLength":60}}})"};
  return form;
}

assistant::StructuredText ask(char const* faults, std::string const& question, std::int64_t max_tokens = 0) {
  SimulatorFixture fixture(faults);
  auto request = SimulatorFixture::question(question);
  request.response_format = analysis().response_format();
  request.max_tokens = max_tokens;
  auto const answer = fixture.complete(request);
  return assistant::read_structured(answer.finish_reason, answer.text, analysis().shape(),
                                    [](auto const&) { return std::nullopt; });
}

}  // namespace

TEST_CASE("a simulated answer is what a form asks for, and the same for the same question") {
  for (auto i = 0; i < 20; ++i) {
    auto const question =
        "Ada builds compilers in Kigali. Grace wants meeting number " + std::to_string(i) + " at once.";
    auto const answer = ask("", question);
    CHECK_MESSAGE(answer.wrong.empty(), answer.wrong);
    CHECK(ask("", question).document == answer.document);
  }
}

TEST_CASE("a simulated answer that is broken on demand is seen to be") {
  constexpr auto question = "Ada builds compilers in Kigali.";
  CHECK_FALSE(ask("not_json", question).wrong.empty());
  CHECK_FALSE(ask("wrong_schema", question).wrong.empty());
  CHECK(ask("refusal", question).refused);
  CHECK(ask("", question, 10).cut);
}

}  // namespace omnibus::simulator
