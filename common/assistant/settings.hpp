/// The settings of a worker that asks a language model.
#pragma once

#include "config/config.hpp"
#include "config/types.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

#include <boost/describe/class.hpp>

namespace omnibus::assistant {

/// The base of such a worker's settings.
struct ModelSettings {
  std::string llm_base_url = "http://127.0.0.1:8090/v1";
  Secret llm_api_key;
  Secret openai_api_key;
  std::string llm_model = "omnibus-small";
  std::string llm_fallback_model;
  std::chrono::milliseconds llm_deadline{60'000};
  std::int32_t llm_max_tokens = 512;
  ByteSize llm_max_response = 1_MiB;
  std::int32_t llm_connections = 1024;
  std::chrono::milliseconds llm_give_up_after{120'000};
  std::int32_t llm_max_attempts = 6;

  static constexpr std::string_view prefix = "";
  static constexpr std::array docs{
      config::Doc{"llm_base_url", "OpenAI-compatible endpoint, http or https, without /chat/completions"},
      config::Doc{"llm_api_key", "Bearer token for the endpoint"},
      config::Doc{"openai_api_key", "The bearer token if LLM_API_KEY is not set"},
      config::Doc{"llm_model", "Model asked first"},
      config::Doc{"llm_fallback_model", "Model asked when the first one fails; empty: none"},
      config::Doc{"llm_deadline", "Longest time for one complete answer", 0.1, 3600},
      config::Doc{"llm_max_tokens", "Longest answer asked for, in tokens", 1, 1'000'000},
      config::Doc{"llm_max_response", "Longest answer accepted, in bytes on the wire", 1024, 1073741824.0},
      config::Doc{"llm_connections", "Most connections to the endpoint", 1, 100'000},
      config::Doc{"llm_give_up_after",
                  "Longest wait for the model: then, or once it is clear that no model answers by then, a person gets "
                  "the fallback text",
                  0, 86400},
      config::Doc{"llm_max_attempts",
                  "Failed attempts after which a person gets the fallback text, or an event becomes a dead letter", 1,
                  1000},
  };

  /// See engine::Work::longest_call().
  std::chrono::milliseconds longest_call() const { return llm_deadline; }
  /// The bearer token to use.
  Secret const& api_key() const { return llm_api_key.empty() ? openai_api_key : llm_api_key; }
};
BOOST_DESCRIBE_STRUCT(ModelSettings, (),
                      (llm_base_url, llm_api_key, openai_api_key, llm_model, llm_fallback_model, llm_deadline,
                       llm_max_tokens, llm_max_response, llm_connections, llm_give_up_after, llm_max_attempts))

}  // namespace omnibus::assistant
