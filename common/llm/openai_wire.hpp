/// The JSON of chat completions: pure, no IO.
#pragma once

#include "llm/llm.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::llm {

/// The body of a request. `max_tokens_field` names the field for the longest answer.
std::string encode_request(ChatRequest const& request, std::string_view max_tokens_field);

/// Assembles an answer from one document or from the chunks of a stream.
class AnswerAssembler {
 public:
  /// Takes one chunk of a stream and returns its piece of text. @throws LlmError for an invalid chunk or one that
  /// reports an error.
  std::string take_chunk(std::string_view json);
  /// Takes an answer that is not streamed. @throws LlmError
  void take_whole(std::string_view json);

  /// Whether the model has given a finish reason.
  bool finished() const { return !completion_.finish_reason.empty(); }
  /// Whether any part of the answer has arrived.
  bool begun() const { return begun_; }
  /// The answer so far. Usage that the provider does not report is estimated from the texts.
  ChatCompletion finish(std::int64_t estimated_input);

 private:
  ChatCompletion completion_;
  bool has_usage_ = false;
  bool begun_ = false;
};

/// Estimates the tokens of a request's messages and tools.
std::int64_t estimate_input(ChatRequest const& request);

/// Converts an error to LlmError: an HTTP status (0: an error inside a stream) and its body.
LlmError error_from(int status, std::string_view body, std::optional<std::chrono::milliseconds> retry_after);

}  // namespace omnibus::llm
