/// The model as workers use it: its calls are counted, published to `llm.calls`, and paid for once.
#pragma once

#include "assistant/answer_store.hpp"
#include "assistant/call_metrics.hpp"
#include "assistant/settings.hpp"
#include "assistant/structured.hpp"
#include "handler/context.hpp"
#include "handler/resources.hpp"
#include "llm/llm.hpp"
#include "resilience/circuit_breaker.hpp"
#include "uuid/uuid.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace omnibus::assistant {

/// Owns the connection to the model. Use it on the event loop only. The models of a process's loops share their circuit
/// breakers, and each has a part of LLM_CONNECTIONS.
class Model {
 public:
  /// Asks over the OpenAI wire, and stores the answers in PostgreSQL. In a replay there is no connection to a model,
  /// only what was answered.
  /// @throws std::invalid_argument when LLM_BASE_URL is not a valid address.
  Model(Resources& resources, ModelSettings const& settings);
  /// Asks through `port`; without one only finds recorded answers.
  /// @param breakers null: its own
  Model(ModelSettings const& settings, std::unique_ptr<llm::LlmPort> port, std::unique_ptr<AnswerStore> answers,
        std::shared_ptr<CircuitBreakers> breakers = nullptr);

  /// Heals the prompt, asks once (and the fallback model, if that fails), passes the answer's pieces to `sink` as they
  /// arrive, publishes every call's event, and records the answer together with the event of its call. @throws
  /// llm::LlmError.
  Task<RecordedAnswer> ask(Context& context, Turn turn, std::vector<llm::Message> prompt, std::vector<llm::Tool> tools,
                           llm::DeltaSink sink);

  /// As ask(), for an answer that is recorded with its turn: pass it to commit_with_answer().
  Task<RecordedAnswer> ask_unrecorded(Context& context, Turn const& turn, std::vector<llm::Message> prompt,
                                      std::vector<llm::Tool> tools, llm::DeltaSink sink);
  /// Commits `work`, which records `answer`, together with the event of its call. If nothing is committed, the answer
  /// is recorded alone, and kept for the next attempt. @return and @throws as Context::commit().
  Task<bool> commit_with_answer(Context& context, Turn turn, RecordedAnswer const& answer,
                                std::function<void(UnitOfWork&)> work);
  /// The same for what ask_for() left to be recorded, which must live until then; if it left nothing, commits `work`
  /// alone.
  Task<bool> commit_with_answer(Context& context, std::optional<UnrecordedAnswer> const& unrecorded,
                                std::function<void(UnitOfWork&)> work);
  /// Records an answer in the unit of commit_with_answer().
  void record_answer(UnitOfWork& unit, Uuid const& event_key, UnrecordedAnswer const& unrecorded) {
    answers_->replace(unit, event_key, unrecorded.turn.step, unrecorded.answer);
  }

  /// Asks for a structured answer. What is unambiguous is accepted (see read_structured); otherwise the model is asked
  /// once more, with what was wrong, at most 500 characters of its first answer, and twice the longest answer if the
  /// first one was cut. A refusal is not asked again. Both answers are recorded, under the turn's step and that step
  /// with `-again`, and used by every later attempt at the event. In a replay nothing is asked.
  /// @param check what else must hold for this answer, beside its schema and `validate`; may be empty.
  /// @param form a form for this question alone, such as one that lists the ids that may be named.
  /// @return the answer, or why there is none; `value()` throws that.
  /// @throws Failure (transient or outage) while a model may answer later: LLM_MAX_ATTEMPTS attempts at the event are
  /// made, or, if a person waits, what give_up() decides.
  template <class Answer>
  Task<Structured<Answer>> ask_for(Context& context, Turn turn, StructuredQuestion question,
                                   std::function<std::optional<InvalidField>(Answer const&)> check = {},
                                   AnswerForm form = AnswerForm::named(Answer::form)) {
    Structured<Answer> result;
    ReadDocument const read = [&](std::string const& document) { return read_answer(document, check, result.answer); };
    auto asking = ask_for_document(context, std::move(turn), std::move(question), form, read);
    static_cast<Asked&>(result) = co_await std::move(asking);
    if (result.fate != AnswerFate::answered) result.answer.reset();
    co_return result;
  }

  /// The answer that an earlier attempt at the context's event paid for in this step, if there is one.
  Task<std::optional<RecordedAnswer>> find_answer(Context& context, std::string_view step) {
    return answers_->find(context, step);
  }
  /// Deletes the answers to an event that reached no person: a replay must not store them.
  void forget_answers(UnitOfWork& unit, Uuid const& event_key) { answers_->forget(unit, event_key); }

  /// The budget of a prompt for which `tokens` were too many: what we estimate may be far from what the model counts.
  static constexpr std::int32_t shorter(std::int32_t tokens) { return tokens / 4; }

  /// Decides what follows without an answer. @return the reason for giving up: once the waiting time is over, when the
  /// model may not be asked again before that, or when it could not be read twice.
  /// @throws Failure to retry before that: transient, or deferred while every model is blocked by its circuit breaker.
  std::string give_up(Context const& context, llm::LlmError const& error) const;

 private:
  /// How long its person still waits; may be negative.
  std::chrono::milliseconds time_left(Context const& context) const;
  /// Until when an answer is of use.
  std::chrono::steady_clock::time_point latest_answer(Context const& context, Turn const& turn) const;

  /// Heals the prompt and asks once, and the fallback model if that fails; publishes the events of failed calls.
  /// @param answer gets the answer and the records of its calls, also of a call that failed. @throws llm::LlmError.
  Task<> complete(Context& context, Turn const& turn, llm::ChatRequest request, llm::DeltaSink sink,
                  RecordedAnswer& answer);
  /// Records an answer, and publishes the event of its call.
  void record(UnitOfWork& unit, Context& context, Turn const& turn, RecordedAnswer const& answer);
  /// The same in a checkpoint. @param answer becomes the stored one if another owner of the partition was faster
  /// @return whether it is as it was
  Task<bool> record(Context& context, Turn const& turn, RecordedAnswer& answer);

  using ReadDocument = std::function<std::optional<json::DecodeError>(std::string const& document)>;

  /// As ask_for(), with a function that reads the answer's document.
  Task<Asked> ask_for_document(Context& context, Turn turn, StructuredQuestion question, AnswerForm const& form,
                               ReadDocument const& read);
  /// The answer to one of the two questions.
  struct FoundAnswer {
    RecordedAnswer answer;
    bool is_recorded = true;
  };
  /// One of the two questions: its recorded answer, or a new one. Nothing when it is not asked, then `asked` says why.
  /// @param looked_up what was found of it before, if it was looked for
  /// @param asked gets what it took, and the model. @throws llm::LlmError when no model answers, and Failure to retry.
  Task<std::optional<FoundAnswer>> find_or_ask(Context& context, Turn const& turn, StructuredQuestion const& question,
                                               std::optional<LookedUpAnswer> looked_up, llm::ChatRequest request,
                                               Asked& asked);
  Task<RecordedAnswer> ask_once(Context& context, Turn const& turn, llm::ChatRequest request, Asked& asked);
  /// The most that a call can take.
  PlannedCall plan(llm::ChatRequest const& request) const;
  /// Decides what follows when no model answered a structured question. @throws Failure to retry.
  void retry_structured(Context const& context, llm::LlmError const& error) const;

  ModelSettings const settings_;
  std::unique_ptr<llm::LlmPort> port_;
  std::unique_ptr<AnswerStore> answers_;
  std::shared_ptr<CircuitBreakers> const breakers_;
  CallMetrics calls_;
};

}  // namespace omnibus::assistant
