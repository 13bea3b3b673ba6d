/// A handler that asks a model for a judgement.
#pragma once

#include "assistant/structured.hpp"
#include "events/llm.hpp"
#include "events/tick.hpp"
#include "tests/common/assistant/fake_answers.hpp"

#include <cmath>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::assistant::test {

struct Judgement {
  static constexpr std::string_view form = "none";
  std::string outcome;
  double score = 0;
};
BOOST_DESCRIBE_STRUCT(Judgement, (), (outcome, score))

inline std::optional<InvalidField> validate(Judgement const& judgement) {
  if (judgement.outcome == "NO_MATCH" && judgement.score > 0.5)
    return InvalidField{"score", "must be low without a match"};
  return std::nullopt;
}

inline assistant::AnswerForm const& judgement_form() {
  static assistant::AnswerForm const form{"judgement.v1", R"({"type":"object","additionalProperties":false,
    "required":["outcome","score"],"properties":{"outcome":{"type":"string","enum":["STRONG_MATCH","NO_MATCH"]},
    "score":{"type":"number","minimum":0,"maximum":1}}})"};
  return form;
}

inline constexpr auto right = R"({"outcome":"STRONG_MATCH","score":0.7})";

/// Asks for a judgement and fails as `value()` does.
struct JudgementHandler {
  explicit JudgementHandler(assistant::test::FakeModel& fake, assistant::ModelSettings const& settings)
      : model{fake.make(settings)} {}

  Task<> handle(Context& context, TickMonitor const&) {
    assistant::StructuredQuestion question{{{"system", "Judge."}, {"user", "These two."}}, max_tokens, allows};
    question.looked_up = looked_up;
    question.records_later = records_later;
    auto asking = model->ask_for<Judgement>(context, {"shop.example", Uuid{}, step}, std::move(question), check,
                                            judgement_form());
    result = co_await std::move(asking);
    if (after) after();
    auto committing = model->commit_with_answer(context, result.unrecorded, [&](UnitOfWork& unit) {
      if (result.unrecorded) model->record_answer(unit, context.event_key(), *result.unrecorded);
      result.check();
    });
    co_await std::move(committing);
  }

  std::unique_ptr<assistant::Model> model;
  std::string step = "judge";
  std::int64_t max_tokens = 100;
  std::function<bool(assistant::PlannedCall const&, assistant::Spent const&)> allows;
  std::function<std::optional<InvalidField>(Judgement const&)> check;
  std::function<void()> after;
  std::optional<assistant::LookedUpAnswer> looked_up;
  bool records_later = false;
  assistant::Structured<Judgement> result;
};

/// With a model of the test's.
struct JudgingBench {
  FakeContext context{"match", 20};
  assistant::test::FakeModel model{context};
  assistant::ModelSettings settings;
  JudgementHandler judging{model, settings};

  /// Lets the model say this next, ended so, for this many tokens.
  void say(std::string text, std::string finish_reason = "stop", std::int64_t input = 1000, std::int64_t output = 10) {
    model.script.say(std::move(text));
    auto& answer = model.script.answers.back();
    answer.finish_reason = std::move(finish_reason);
    answer.usage.input = input;
    answer.usage.output = output;
  }
  FakeContext::Result tick() { return context.hand(judging, TickMonitor{{"2026-11-29T10:00:00Z"}}); }
  llm::ChatRequest const& asked(std::size_t place) const { return model.script.asked.at(place); }
  /// The roles of a request, by their first letters.
  std::string roles(std::size_t place) const {
    std::string all;
    for (auto const& message : asked(place).messages) all += message.role.front();
    return all;
  }
};

}  // namespace omnibus::assistant::test
