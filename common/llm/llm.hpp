/// The port to language models: what is asked, what comes back, and how it can fail.
#pragma once

#include "concurrency/task.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::llm {

/// A model's wish to have a tool called.
struct ToolCall {
  std::string id;
  std::string name;
  std::string arguments;  ///< JSON text as the model wrote it: check it before use
};

struct Message {
  std::string role;  ///< system, user, assistant or tool
  std::string content;
  std::vector<ToolCall> tool_calls = {};  ///< of an assistant
  std::string tool_call_id = {};          ///< of a tool: which call this answers
};

/// A tool the model may ask for.
struct Tool {
  std::string name;
  std::string description;
  std::string parameters;  ///< JSON Schema as JSON text
};

struct ChatRequest {
  std::string model;
  std::vector<Message> messages;
  std::vector<Tool> tools = {};
  std::string tool_choice = {};      ///< auto, none or required; empty leaves it to the model
  std::string response_format = {};  ///< JSON text of `response_format`; empty for plain text
  std::int64_t max_tokens = 0;       ///< 0: the model's own limit
  std::optional<double> temperature = {};
  std::optional<std::int64_t> seed = {};
  bool stream = true;
  std::chrono::milliseconds deadline{60'000};  ///< for the whole answer, connecting included
};

struct Usage {
  std::int64_t input = 0;  ///< cached tokens included
  std::int64_t output = 0;
  std::int64_t cached = 0;
  std::int64_t reasoning = 0;
  bool estimated = false;  ///< the provider told none: these are our estimate
};

struct ChatCompletion {
  std::string text;
  std::vector<ToolCall> tool_calls;
  std::string finish_reason;  ///< stop, length, tool_calls or content_filter
  Usage usage;
  std::string model;  ///< the one that answered, in the provider's words
  std::string response_id;
  std::optional<std::chrono::milliseconds> ttft;  ///< time to the first piece; only of a streamed answer
  std::chrono::milliseconds duration{0};
  std::string fallback_from;  ///< the model that failed before this one was asked
};

/// Takes the pieces of an answer's text as they come, on the thread of the event loop. May be empty.
using DeltaSink = std::function<void(std::string_view piece)>;

/// Why there is no answer. The reason is safe to log: it holds nothing of prompt or answer.
class LlmError : public std::runtime_error {
 public:
  enum class Kind {
    rate_limited,     ///< too many requests: later, see retry_after()
    unavailable,      ///< no connection, or the provider fails
    timeout,          ///< no whole answer within the deadline
    invalid_request,  ///< will never work as it is, rejected credentials and unknown models included
    context_length,   ///< the prompt is too long for the model
    quota,            ///< the account is used up: somebody has to act
    content_filter,   ///< the provider refuses the content
    protocol,         ///< the answer is broken: truncated, too large, not what was asked for
    breaker_open,     ///< not asked at all: every model's circuit breaker is open
  };

  LlmError(Kind kind, std::string const& reason, std::optional<std::chrono::milliseconds> retry_after = {})
      : runtime_error(reason), kind_(kind), retry_after_(retry_after) {}

  Kind kind() const noexcept { return kind_; }
  /// Whether the same request can work later.
  bool retriable() const noexcept;
  /// What the provider asked for, or when a breaker lets the next call through.
  std::optional<std::chrono::milliseconds> retry_after() const noexcept { return retry_after_; }

 private:
  Kind kind_;
  std::optional<std::chrono::milliseconds> retry_after_;
};

/// The kind as a short stable word, as for `error.type`.
std::string_view to_string(LlmError::Kind kind) noexcept;

/// About how many tokens a text takes: a quarter of its bytes, rounded up. For budgets and missing usage only.
constexpr std::int64_t estimate_tokens(std::string_view text) noexcept {
  return static_cast<std::int64_t>((text.size() + 3) / 4);
}

/// Something that answers. Used from one event loop; any number of requests at once.
class LlmPort {
 public:
  virtual ~LlmPort() = default;
  /// Asks once. The sink is given the pieces of the text, each once and in order, before the task ends.
  /// @throws LlmError and nothing else of its own.
  virtual Task<ChatCompletion> complete(ChatRequest request, DeltaSink sink) = 0;
  /// What circuit breakers and telemetry know it by.
  virtual std::string endpoint() const { return "model"; }
};

}  // namespace omnibus::llm
