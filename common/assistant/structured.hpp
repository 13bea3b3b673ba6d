/// Structured answers: a model's answer as a described struct.
///
/// The struct's JSON Schema is schemas/answers/NAME.json. Rules beyond the schema are in a function
/// `std::optional<InvalidField> validate(Answer const&)` beside the struct, as of events:
///
///   struct PairAnalysis {
///     static constexpr std::string_view form = "pair_analysis.v1";
///     double fit = 0;
///     std::vector<Insight> insights;
///   };
///   BOOST_DESCRIBE_STRUCT(PairAnalysis, (), (fit, insights))
///   std::optional<InvalidField> validate(PairAnalysis const& analysis);
#pragma once

#include "assistant/answer_form.hpp"
#include "assistant/recorded_answer.hpp"
#include "assistant/spent.hpp"
#include "handler/failure.hpp"
#include "json/decode.hpp"
#include "llm/llm.hpp"
#include "text/invalid_field.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace omnibus::assistant {

/// The tenant, conversation and step for which a model is asked.
struct Turn {
  std::string domain;
  Uuid conversation;      ///< also the key of the events about its calls
  std::string step = {};  ///< distinguishes the answers of one event; empty when it takes one
  bool follows = false;   ///< whether an answer to the same event came before
};

/// The most that one call can take.
struct PlannedCall {
  std::int64_t prompt_tokens = 0;  ///< our estimate
  std::int64_t max_tokens = 0;     ///< its longest answer
  std::int64_t cost_nano_usd = 0;  ///< by the price of the dearer of the two models; 0 when neither has one
};

/// What a handler found that looked for the answer to its question, together with what else it read.
struct LookedUpAnswer {
  std::optional<RecordedAnswer> recorded;
};

/// A usable answer that is to be recorded with what comes of it.
struct UnrecordedAnswer {
  Turn turn;
  RecordedAnswer answer;
};

/// A question that wants a structured answer.
struct StructuredQuestion {
  std::vector<llm::Message> prompt;
  std::int64_t max_tokens = 0;  ///< the longest answer; 0: LLM_MAX_TOKENS
  /// Whether a call may be made, such as within a limit of money: called before each question that is not answered yet,
  /// with what the questions before it took. May be empty.
  std::function<bool(PlannedCall const& call, Spent const& before)> allows = {};
  std::optional<LookedUpAnswer> looked_up = {};  ///< without it, a recorded answer is looked for
  /// Whether a usable answer is left in Asked::unrecorded, to be committed with what comes of it.
  bool records_later = false;
};

/// What came of a structured question.
enum class AnswerFate : std::uint8_t {
  answered,
  unusable,    ///< the second answer is no better: it was cut, filtered, is no JSON or does not fit
  refused,     ///< the model or its provider refuses to answer
  unanswered,  ///< no model answered, as often as it may be asked
  too_long,    ///< the prompt is too long for the model: nothing was asked
  denied,      ///< StructuredQuestion::allows said no
};

/// The fate as a short stable word.
std::string_view to_string(AnswerFate fate) noexcept;

/// What came of a structured question, without the answer.
struct Asked {
  AnswerFate fate = AnswerFate::unanswered;
  std::string detail = {};  ///< why there is no answer. Safe to log and store: it has no text of prompt or answer
  std::string model = {};   ///< the one that answered last; empty when none did
  Spent spent = {};         ///< of all questions, also of earlier attempts whose answers were recorded
  std::optional<UnrecordedAnswer> unrecorded = {};  ///< if it is to be recorded later and was not before

  /// @throws Failure (permanent) without an answer: class `model_output` when it is unusable or refused, else
  /// `model_failed`.
  void check() const;
};

/// The same with the answer, set when the fate is `answered`.
template <class Answer>
struct Structured : Asked {
  std::optional<Answer> answer = {};

  /// The answer. @throws as check().
  Answer const& value() const& {
    check();
    return *answer;
  }
  Answer value() && {
    check();
    return *std::move(answer);
  }
};

/// Reads an answer from a document that has its shape, and checks it: `validate(answer)` where there is one, then
/// `check(answer)`. @return what is wrong with it, or nothing.
template <class Answer>
std::optional<json::DecodeError> read_answer(std::string const& document,
                                             std::function<std::optional<InvalidField>(Answer const&)> const& check,
                                             std::optional<Answer>& answer) {
  auto decoded = json::decode<Answer>(document);
  if (!decoded) return json::DecodeError{decoded.error().field, decoded.error().reason};
  std::optional<InvalidField> invalid;
  if constexpr (requires { validate(*decoded); }) invalid = validate(*decoded);
  if (!invalid && check) invalid = check(*decoded);
  if (invalid) return json::DecodeError{std::move(invalid->field), std::move(invalid->reason)};
  answer = *std::move(decoded);
  return std::nullopt;
}

}  // namespace omnibus::assistant
