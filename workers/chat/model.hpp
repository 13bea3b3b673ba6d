/// The model as this worker uses it: streamed to the visitor, counted, paid for once.
#pragma once

#include "engine/worker.hpp"
#include "events/uuid.hpp"
#include "http/client.hpp"
#include "llm/openai_client.hpp"
#include "llm/prices.hpp"
#include "llm/resilient_llm.hpp"
#include "resilience/circuit_breaker.hpp"
#include "workers/chat/config.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::chat {

/// Owns the way to the model. Belongs to the event loop.
class Model {
 public:
  /// @throws std::invalid_argument when LLM_BASE_URL is no address.
  Model(Resources& resources, ChatSettings const& settings);

  /// Asks once (and the fallback model, if that fails), publishes the answer's parts as they come and every call's
  /// event, and records the answer together with the event of its call. @throws llm::LlmError.
  Task<std::string> ask(engine::Context& context, std::string domain, Uuid conversation,
                        std::vector<llm::Message> prompt);

  /// What to do without an answer. @return the reason to tell the visitor's fallback event, when waiting is over.
  /// @throws Failure to try again: transient, or an outage while no model may even be asked.
  std::string give_up(engine::Context const& context, llm::LlmError const& error) const;

 private:
  ChatSettings const settings_;
  http::Client client_;
  llm::OpenAiClient openai_;
  CircuitBreakers breakers_;
};

}  // namespace omnibus::chat
