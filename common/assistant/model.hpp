/// The model as workers use it: its calls are counted, published to `llm.calls`, and paid for once.
#pragma once

#include "assistant/answer_store.hpp"
#include "assistant/settings.hpp"
#include "handler/context.hpp"
#include "handler/resources.hpp"
#include "llm/llm.hpp"
#include "resilience/circuit_breaker.hpp"
#include "uuid/uuid.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::assistant {

/// The tenant, conversation and step for which a model is asked.
struct Turn {
  std::string domain;
  Uuid conversation;      ///< also the key of the events about its calls
  std::string step = {};  ///< distinguishes the answers of one event; empty when it takes one
  bool follows = false;   ///< whether an answer to the same event came before
};

/// Owns the connection to the model. Use it on the event loop only.
class Model {
 public:
  /// Asks over the OpenAI wire, and stores the answers in PostgreSQL.
  /// @throws std::invalid_argument when LLM_BASE_URL is not a valid address.
  Model(Resources& resources, ModelSettings const& settings);
  /// Asks through `port`.
  Model(ModelSettings const& settings, std::unique_ptr<llm::LlmPort> port, std::unique_ptr<AnswerStore> answers);

  /// Heals the prompt, asks once (and the fallback model, if that fails), passes the answer's pieces to `sink` as they
  /// arrive, publishes every call's event, and records the answer together with the event of its call. @throws
  /// llm::LlmError.
  Task<RecordedAnswer> ask(Context& context, Turn turn, std::vector<llm::Message> prompt, std::vector<llm::Tool> tools,
                           llm::DeltaSink sink);

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

  ModelSettings const settings_;
  std::unique_ptr<llm::LlmPort> port_;
  std::unique_ptr<AnswerStore> answers_;
  CircuitBreakers breakers_;
};

}  // namespace omnibus::assistant
