/// The port to language models: requests, answers and errors.
#pragma once

#include "concurrency/task.hpp"
#include "llm/oddity.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace omnibus::llm {

/// A tool call that a model requests.
struct ToolCall {
  std::string id;
  std::string name;
  std::string arguments;  ///< JSON text from the model: validate it before use
};

struct Message {
  std::string role;  ///< system, user, assistant or tool
  std::string content;
  std::vector<ToolCall> tool_calls = {};  ///< of an assistant
  std::string tool_call_id = {};          ///< of a tool: the id of the call it answers
};

/// A tool that the model may call.
struct Tool {
  std::string name;
  std::string description;
  std::string parameters;  ///< JSON Schema as JSON text
};

struct ChatRequest {
  std::string model;
  std::vector<Message> messages;
  std::vector<Tool> tools = {};
  std::string tool_choice = {};      ///< auto, none or required; empty: the model's default
  std::string response_format = {};  ///< JSON text of `response_format`; empty for plain text
  std::int64_t max_tokens = 0;       ///< 0: the model's own limit
  std::optional<double> temperature = {};
  std::optional<std::int64_t> seed = {};
  bool stream = true;
  std::chrono::milliseconds deadline{60'000};  ///< for the whole answer, including the connection
  /// Shortens the deadline of each model asked for it: an answer after that time is of no use.
  std::chrono::steady_clock::time_point until = std::chrono::steady_clock::time_point::max();
};

struct Usage {
  std::int64_t input = 0;  ///< cached tokens included
  std::int64_t output = 0;
  std::int64_t cached = 0;
  std::int64_t reasoning = 0;
  bool estimated = false;  ///< the provider reported none: these are our estimate
};

struct ChatCompletion {
  std::string text;
  std::vector<ToolCall> tool_calls;
  std::string
      finish_reason;  ///< as to_string(AnswerEnding) has it: stop, length, tool_calls, content_filter or refusal
  Usage usage;
  std::string model;  ///< the one that answered, as the provider names it
  std::string response_id;
  std::optional<std::chrono::milliseconds> ttft;  ///< time to the first piece; only of a streamed answer
  std::chrono::milliseconds duration{0};
  std::string fallback_from;  ///< the model that failed before this one was asked
  Oddities oddities;
};

/// Takes the pieces of an answer's text as they arrive, on the event loop's thread. May be empty.
using DeltaSink = std::function<void(std::string_view piece)>;

/// Why there is no answer. The reason is safe to log: it has no text of the prompt or the answer.
class LlmError : public std::runtime_error {
 public:
  enum class Kind {
    rate_limited,     ///< too many requests: retry later, see retry_after()
    unavailable,      ///< no connection, or the provider fails
    timeout,          ///< no whole answer within the deadline
    invalid_request,  ///< cannot succeed unchanged; includes rejected credentials and unknown models
    context_length,   ///< the prompt is too long for the model
    quota,            ///< the account's quota is used up: an operator must act
    content_filter,   ///< the provider rejects the content
    protocol,         ///< the answer is invalid: truncated, too large, wrong format
    no_words,         ///< the model ended its answer without words and without tool calls
    breaker_open,     ///< no request was made: every model's circuit breaker is open
  };

  LlmError(Kind kind, std::string const& reason, std::optional<std::chrono::milliseconds> retry_after = {},
           std::shared_ptr<ChatCompletion const> remains = {})
      : runtime_error(reason), kind_(kind), retry_after_(retry_after), remains_(std::move(remains)) {}

  Kind kind() const noexcept { return kind_; }
  /// Whether the same request may succeed later.
  bool retriable() const noexcept;
  /// The wait that the provider asked for, or until a breaker allows the next call.
  std::optional<std::chrono::milliseconds> retry_after() const noexcept { return retry_after_; }
  /// What came of an answer that is none, without its text: usage, ending and oddities. Null when the endpoint did not
  /// begin to answer.
  ChatCompletion const* remains() const noexcept { return remains_.get(); }
  /// Whether the request may have reached the endpoint, or could not because of it. Otherwise we had no connection free
  /// for it in time.
  bool sent() const noexcept { return sent_; }
  /// The same error of a request that found no connection free.
  LlmError unsent() const {
    auto error = *this;
    error.sent_ = false;
    return error;
  }

 private:
  Kind kind_;
  std::optional<std::chrono::milliseconds> retry_after_;
  std::shared_ptr<ChatCompletion const> remains_;
  bool sent_ = true;
};

/// The kind as a short stable word, as for `error.type`.
std::string_view to_string(LlmError::Kind kind) noexcept;

/// Estimates the tokens of a text: a quarter of its bytes, rounded up. For budgets and missing usage only.
constexpr std::int64_t estimate_tokens(std::string_view text) noexcept {
  return static_cast<std::int64_t>((text.size() + 3) / 4);
}

/// Answers requests. Used from one event loop; any number of requests at once.
class LlmPort {
 public:
  virtual ~LlmPort() = default;
  /// Asks once. The sink gets the pieces of the text, each once and in order, before the task ends. It may get the text
  /// in one piece, as that of a request with tools.
  /// @throws LlmError, and no exception of other types.
  virtual Task<ChatCompletion> complete(ChatRequest request, DeltaSink sink) = 0;
  /// Its name for circuit breakers and telemetry.
  virtual std::string endpoint() const { return "model"; }
};

}  // namespace omnibus::llm
