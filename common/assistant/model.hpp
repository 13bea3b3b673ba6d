/// The model as workers use it: counted, told of, paid for once.
#pragma once

#include "assistant/recorded_answer.hpp"
#include "assistant/settings.hpp"
#include "engine/worker.hpp"
#include "http/client.hpp"
#include "llm/openai_client.hpp"
#include "llm/prices.hpp"
#include "llm/resilient_llm.hpp"
#include "resilience/circuit_breaker.hpp"
#include "uuid/uuid.hpp"

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
  /// @throws std::invalid_argument when LLM_BASE_URL is no address.
  Model(Resources& resources, ModelSettings const& settings);

  /// Asks once (and the fallback model, if that fails), hands the answer's pieces to `sink` as they come, publishes
  /// every call's event, and records the answer together with the event of its call. @throws llm::LlmError.
  Task<RecordedAnswer> ask(engine::Context& context, Turn turn, std::vector<llm::Message> prompt,
                           std::vector<llm::Tool> tools, llm::DeltaSink sink);

  /// What to do without an answer. @return the reason to tell of, when waiting is over.
  /// @throws Failure to try again: transient, or an outage while no model may even be asked.
  std::string give_up(engine::Context const& context, llm::LlmError const& error) const;

 private:
  ModelSettings const settings_;
  http::Client client_;
  llm::OpenAiClient openai_;
  CircuitBreakers breakers_;
};

}  // namespace omnibus::assistant
