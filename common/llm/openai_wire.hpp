/// The JSON of chat completions: pure, no IO.
#pragma once

#include "llm/llm.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::llm {

/// The body of a request. `max_tokens_field` names the longest answer's field.
std::string encode_request(ChatRequest const& request, std::string_view max_tokens_field);

/// Puts an answer together, from one document or from the chunks of a stream.
class AnswerAssembler {
 public:
  /// Takes one chunk of a stream and returns the piece of text in it. @throws LlmError for a chunk that is no chunk or
  /// tells of an error.
  std::string take_chunk(std::string_view json);
  /// Takes an answer that came whole. @throws LlmError
  void take_whole(std::string_view json);

  /// Whether the model has said how it ended.
  bool finished() const { return !completion_.finish_reason.empty(); }
  /// Whether anything of the answer has come.
  bool begun() const { return begun_; }
  /// The answer so far. Where the provider told no usage, it is estimated from the texts.
  ChatCompletion finish(std::int64_t estimated_input);

 private:
  ChatCompletion completion_;
  bool has_usage_ = false;
  bool begun_ = false;
};

/// About how many tokens the messages and tools of a request take.
std::int64_t estimate_input(ChatRequest const& request);

/// What an answer with an error means: an HTTP status (0: an error inside a stream) and its body.
LlmError error_from(int status, std::string_view body, std::optional<std::chrono::milliseconds> retry_after);

}  // namespace omnibus::llm
