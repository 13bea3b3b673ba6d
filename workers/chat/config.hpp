/// The chat worker's own settings.
#pragma once

#include "config/config.hpp"
#include "config/types.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

#include <boost/describe/class.hpp>

namespace omnibus::chat {

struct ChatSettings {
  std::string llm_base_url = "http://127.0.0.1:8090/v1";
  Secret llm_api_key;
  std::string llm_model = "omnibus-small";
  std::string llm_fallback_model;
  std::chrono::milliseconds llm_deadline{60'000};
  std::int32_t llm_max_tokens = 512;
  ByteSize llm_max_response = 1_MiB;
  std::int32_t llm_connections = 1024;
  std::chrono::milliseconds llm_give_up_after{120'000};
  std::int32_t llm_max_attempts = 6;
  std::int32_t history_tokens = 3000;
  std::string instructions =
      "You are a customer-service assistant. Answer briefly and only from what the conversation and the business's own "
      "information say. If you do not know, say so and offer to hand over to a person. Never invent orders, prices or "
      "policies.";
  std::string fallback_text =
      "Sorry, I cannot answer right now. A colleague will come back to you as soon as possible.";

  static constexpr std::string_view prefix = "";
  static constexpr std::array docs{
      config::Doc{"llm_base_url", "OpenAI-compatible endpoint, http or https, ending before /chat/completions"},
      config::Doc{"llm_api_key", "Bearer token for it"},
      config::Doc{"llm_model", "Model asked first"},
      config::Doc{"llm_fallback_model", "Model asked when that one fails; empty for none"},
      config::Doc{"llm_deadline", "Longest time for one answer, all of it", 0.1, 3600},
      config::Doc{"llm_max_tokens", "Longest answer asked for, in tokens", 1, 1'000'000},
      config::Doc{"llm_max_response", "Longest answer accepted, in bytes on the wire", 1024, 1073741824.0},
      config::Doc{"llm_connections", "Connections to the endpoint at most", 1, 100'000},
      config::Doc{"llm_give_up_after", "A visitor gets the fallback text after waiting this long for the model", 0,
                  86400},
      config::Doc{"llm_max_attempts", "Failed attempts after which a visitor gets the fallback text", 1, 1000},
      config::Doc{"history_tokens", "Budget of the prompt, history included, in estimated tokens", 64, 10'000'000},
      config::Doc{"instructions", "The system prompt"},
      config::Doc{"fallback_text", "What a visitor is told when no model answers"},
  };
};
BOOST_DESCRIBE_STRUCT(ChatSettings, (),
                      (llm_base_url, llm_api_key, llm_model, llm_fallback_model, llm_deadline, llm_max_tokens,
                       llm_max_response, llm_connections, llm_give_up_after, llm_max_attempts, history_tokens,
                       instructions, fallback_text))

}  // namespace omnibus::chat
