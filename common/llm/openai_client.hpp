/// The OpenAI chat-completions wire, as OpenAI, Azure, vLLM, llama.cpp, Ollama and many others speak it.
#pragma once

#include "http/client.hpp"
#include "llm/llm.hpp"

#include <cstddef>
#include <string>

namespace omnibus::llm {

struct OpenAiSettings {
  std::string base_url = "https://api.openai.com/v1";  ///< ends before /chat/completions
  std::string api_key;                                 ///< sent as a bearer token when not empty
  std::size_t max_response_bytes = 1024 * 1024;
  /// The request's field for the longest answer; older servers know only `max_tokens`.
  std::string max_tokens_field = "max_completion_tokens";
};

/// Asks an endpoint once per call and does not retry: the engine retries, in one place.
class OpenAiClient final : public LlmPort {
 public:
  /// The client must outlive it. @throws std::invalid_argument that names the setting when the address is invalid.
  OpenAiClient(http::Client& client, OpenAiSettings settings);

  Task<ChatCompletion> complete(ChatRequest request, DeltaSink sink) override;

  /// Scheme, host and port.
  std::string endpoint() const override { return url_.origin(); }

 private:
  http::Client& client_;
  OpenAiSettings settings_;
  http::Url url_;
  http::PostHead whole_;     // of requests whose answer comes whole
  http::PostHead streamed_;  // of those whose answer comes in pieces
};

}  // namespace omnibus::llm
