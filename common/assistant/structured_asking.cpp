#include "assistant/model.hpp"
#include "assistant/structured_text.hpp"
#include "llm/openai_wire.hpp"
#include "llm/prices.hpp"
#include "observability/log.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace omnibus::assistant {
namespace {

constexpr std::size_t most_repeated = 500;  // characters of an unusable answer in the next question

/// The same conversation, asked again with what was wrong.
void ask_again(llm::ChatRequest& request, std::string_view answer, StructuredText const& text) {
  request.messages.push_back({"assistant", std::string{first_characters(answer, most_repeated)}});
  request.messages.push_back({"user", "Your answer cannot be used: " + text.wrong + (text.cut ? ". Be brief." : ".") +
                                          " Answer with one JSON object of the given schema and nothing else."});
  if (text.cut) request.max_tokens *= 2;
}

std::string finish_reason(RecordedAnswer const& answer) {
  if (answer.call) return answer.call->finish_reason;
  return answer.failures && !answer.failures->empty() ? answer.failures->back().finish_reason : std::string{};
}

void add_calls(Spent& spent, RecordedAnswer const& answer) {
  if (answer.failures) {
    for (auto const& failed : *answer.failures) spent.add(failed);
  }
  if (answer.call) spent.add(*answer.call);
}

AnswerFate fate_after(llm::LlmError const& error) {
  switch (error.kind()) {
    case llm::LlmError::Kind::content_filter:
      return AnswerFate::refused;
    case llm::LlmError::Kind::context_length:
      return AnswerFate::too_long;
    default:
      return AnswerFate::unanswered;
  }
}

Turn second(Turn turn) {
  turn.step += turn.step.empty() ? "again" : "-again";
  turn.follows = true;
  return turn;
}

}  // namespace

std::string_view to_string(AnswerFate fate) noexcept {
  switch (fate) {
    case AnswerFate::answered:
      return "answered";
    case AnswerFate::unusable:
      return "unusable";
    case AnswerFate::refused:
      return "refused";
    case AnswerFate::unanswered:
      return "unanswered";
    case AnswerFate::too_long:
      return "too_long";
    case AnswerFate::denied:
      return "denied";
  }
  return {};
}

void Asked::check() const {
  if (fate == AnswerFate::answered) return;
  if (fate == AnswerFate::unusable || fate == AnswerFate::refused)
    throw Failure::permanent("the model's answer cannot be used: " + detail, "model_output");
  throw Failure::permanent("no answer from the model: " + detail, "model_failed");
}

Task<Asked> Model::ask_for_document(Context& context, Turn turn, StructuredQuestion question, AnswerForm const& form,
                                    ReadDocument const& read) {
  Asked asked;
  llm::ChatRequest request;
  request.messages = question.prompt;
  request.response_format = form.response_format();
  request.max_tokens = question.max_tokens > 0 ? question.max_tokens : settings_.llm_max_tokens;
  std::string wrong;  // with the first answer
  auto looked_up = std::move(question.looked_up);
  for (auto is_second = false;; is_second = true) {
    if (is_second) turn = second(std::move(turn));
    std::optional<FoundAnswer> found;
    try {
      auto asking = find_or_ask(context, turn, question, std::exchange(looked_up, std::nullopt), request, asked);
      found = co_await std::move(asking);
    } catch (llm::LlmError const& error) {
      asked.fate = fate_after(error);
      asked.detail = to_string(error.kind());
      // Such as a provider that does not allow twice the tokens: the first answer was the best there is.
      if (is_second && !error.retriable() && asked.fate != AnswerFate::refused) {
        asked.fate = AnswerFate::unusable;
        asked.detail = wrong;
      }
    }
    if (!found) co_return asked;
    auto& [answer, is_recorded] = *found;
    auto text = read_structured(finish_reason(answer), answer.text, form.shape(), read);
    if (!is_recorded && text.wrong.empty() && question.records_later) {
      asked.fate = AnswerFate::answered;
      asked.unrecorded = UnrecordedAnswer{turn, std::move(answer)};
      co_return asked;
    }
    if (!is_recorded) {
      auto recording = record(context, turn, answer);
      if (!co_await std::move(recording))
        text = read_structured(finish_reason(answer), answer.text, form.shape(), read);
      looked_up.emplace();  // before this question was answered, none followed it
    }
    if (text.wrong.empty()) {
      asked.fate = AnswerFate::answered;
      co_return asked;
    }
    asked.fate = text.refused ? AnswerFate::refused : AnswerFate::unusable;
    asked.detail = text.wrong;
    if (text.refused || is_second) co_return asked;
    log::info(context.log_fields(), "a model's answer cannot be used, and is asked for once more",
              {{"form", form.name()}, {"reason", text.wrong}});
    ask_again(request, answer.text, text);
    wrong = std::move(text.wrong);
  }
}

Task<std::optional<Model::FoundAnswer>> Model::find_or_ask(Context& context, Turn const& turn,
                                                           StructuredQuestion const& question,
                                                           std::optional<LookedUpAnswer> looked_up,
                                                           llm::ChatRequest request, Asked& asked) {
  if (!looked_up) {
    auto finding = find_answer(context, turn.step);
    auto recorded = co_await std::move(finding);
    looked_up = LookedUpAnswer{std::move(recorded)};
  }
  std::optional<FoundAnswer> found;
  if (looked_up->recorded) found = FoundAnswer{*std::move(looked_up->recorded)};
  if (!found && context.replaying()) {
    asked.fate = AnswerFate::unanswered;
    asked.detail = "nothing is asked in a replay";
    co_return found;
  }
  if (!found && question.allows && !question.allows(plan(request), asked.spent)) {
    asked.fate = AnswerFate::denied;
    asked.detail = "the call was not allowed";
    co_return found;
  }
  if (!found) {
    auto asking = ask_once(context, turn, std::move(request), asked);
    auto answer = co_await std::move(asking);
    found = FoundAnswer{std::move(answer), false};
  }
  add_calls(asked.spent, found->answer);
  asked.model = found->answer.model;
  co_return found;
}

Task<RecordedAnswer> Model::ask_once(Context& context, Turn const& turn, llm::ChatRequest request, Asked& asked) {
  RecordedAnswer answer;
  try {
    auto asking = complete(context, turn, std::move(request), {}, answer);
    co_await std::move(asking);
  } catch (llm::LlmError const& error) {
    // An answer without words was paid for: it is one that cannot be used.
    if (error.kind() != llm::LlmError::Kind::no_words) {
      add_calls(asked.spent, answer);
      retry_structured(context, error);
      throw;
    }
  }
  co_return answer;
}

PlannedCall Model::plan(llm::ChatRequest const& request) const {
  PlannedCall call{llm::estimate_input(request), request.max_tokens, 0};
  llm::Usage usage;
  usage.input = call.prompt_tokens;
  usage.output = call.max_tokens;
  for (auto const& model : {settings_.llm_model, settings_.llm_fallback_model})
    call.cost_nano_usd = std::max(call.cost_nano_usd, nano_usd(llm::PriceTable::built_in().cost(model, usage).usd));
  return call;
}

void Model::retry_structured(Context const& context, llm::LlmError const& error) const {
  if (!error.retriable()) return;
  std::string const reason{to_string(error.kind())};
  if (error.kind() == llm::LlmError::Kind::breaker_open)
    throw Failure::deferred("the model's endpoint keeps failing: " + reason, error.retry_after());
  if (context.attempt() >= static_cast<std::uint32_t>(settings_.llm_max_attempts)) return;
  // Paid for, and no more readable the second time.
  if (error.kind() == llm::LlmError::Kind::protocol && context.attempt() > 1) return;
  throw Failure::transient("no answer from the model: " + reason, error.retry_after());
}

}  // namespace omnibus::assistant
