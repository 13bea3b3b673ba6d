/// A model behind a circuit breaker, with a fallback model.
#pragma once

#include "llm/llm.hpp"
#include "resilience/circuit_breaker.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>

namespace omnibus::llm {

/// One call of one model, for telemetry: failed calls and calls of the fallback model are reported, too.
struct LlmAttempt {
  std::string endpoint;
  std::string model;
  ChatCompletion const* completion = nullptr;  ///< set when the model answered
  LlmError const* error = nullptr;             ///< set when it did not
  std::chrono::milliseconds duration{0};
  std::optional<std::string> fallback_from;  ///< the model that failed before
};

/// Called on the event loop for every call made; not for a call that an open breaker prevented.
using AttemptObserver = std::function<void(LlmAttempt const&)>;

/// Asks the request's model. If it fails in a way that another model may not, or its breaker is open, asks the
/// fallback model. An answer without words is a failure. Once parts of an answer were passed on, the other answer comes
/// whole, without being passed on in pieces. Makes at most one call per model and does not wait. Of a limited time, the
/// fallback model has at least a quarter. Cheap: create one per request if the observer needs to know the request.
/// Inner port and breakers must outlive it.
class ResilientLlm final : public LlmPort {
 public:
  using Clock = CircuitBreaker::Clock;

  /// In less than this time no model answers, and none is asked.
  static constexpr std::chrono::milliseconds shortest_deadline{100};

  /// @param fallback_model empty for none
  ResilientLlm(LlmPort& inner, std::string endpoint, std::string fallback_model, CircuitBreakers& breakers,
               AttemptObserver observer = {}, std::function<Clock::time_point()> now = &Clock::now);

  /// @throws LlmError of the last model asked; `breaker_open` when none could be asked, `timeout` when it is too late.
  Task<ChatCompletion> complete(ChatRequest request, DeltaSink sink) override;

 private:
  struct Outcome {
    std::optional<ChatCompletion> completion;
    std::optional<LlmError> error;
  };
  Task<Outcome> attempt(ChatRequest request, DeltaSink sink, std::optional<std::string> fallback_from);

  LlmPort& inner_;
  std::string endpoint_;
  std::string fallback_model_;
  CircuitBreakers& breakers_;
  AttemptObserver observer_;
  std::function<Clock::time_point()> now_;
};

}  // namespace omnibus::llm
