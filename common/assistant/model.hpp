/// The model as workers use it: its calls are counted, published to `llm.calls`, and paid for once.
#pragma once

#include "assistant/answer_store.hpp"
#include "assistant/settings.hpp"
#include "handler/context.hpp"
#include "handler/resources.hpp"
#include "llm/llm.hpp"
#include "resilience/circuit_breaker.hpp"
#include "uuid/uuid.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::assistant {

/// Whose turn it is that a model is asked for.
struct Turn {
  std::string domain;
  Uuid conversation;      ///< also the key of the events that tell of its calls
  std::string step = {};  ///< tells apart the answers that one event takes; empty when it takes one
};

/// Owns the way to the model. Belongs to the event loop.
class Model {
 public:
  /// Asks over the OpenAI wire, and keeps the answers in PostgreSQL.
  /// @throws std::invalid_argument when LLM_BASE_URL is no address.
  Model(Resources& resources, ModelSettings const& settings);
  /// Asks through `port`.
  Model(ModelSettings const& settings, std::unique_ptr<llm::LlmPort> port, std::unique_ptr<AnswerStore> answers);

  /// Asks once (and the fallback model, if that fails), hands the answer's pieces to `sink` as they come, publishes
  /// every call's event, and records the answer together with the event of its call. @throws llm::LlmError.
  Task<RecordedAnswer> ask(Context& context, Turn turn, std::vector<llm::Message> prompt, std::vector<llm::Tool> tools,
                           llm::DeltaSink sink);

  /// The answer that an earlier attempt at the context's event paid for in this step, if there is one.
  Task<std::optional<RecordedAnswer>> find_answer(Context& context, std::string_view step) {
    return answers_->find(context, step);
  }
  /// Forgets the answers to an event that reached no person: a replay must not store them.
  void forget_answers(UnitOfWork& unit, Uuid const& event_key) { answers_->forget(unit, event_key); }

  /// What to do without an answer. @return the reason to tell of, when waiting is over.
  /// @throws Failure to try again: transient, or an outage while no model may even be asked.
  std::string give_up(Context const& context, llm::LlmError const& error) const;

 private:
  ModelSettings const settings_;
  std::unique_ptr<llm::LlmPort> port_;
  std::unique_ptr<AnswerStore> answers_;
  CircuitBreakers breakers_;
};

}  // namespace omnibus::assistant
