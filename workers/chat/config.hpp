/// The settings of the chat worker.
#pragma once

#include "assistant/settings.hpp"
#include "config/config.hpp"

#include <array>
#include <cstdint>
#include <string>

#include <boost/describe/class.hpp>

namespace omnibus::chat {

struct ChatSettings : assistant::ModelSettings {
  std::int32_t history_tokens = 3000;
  std::string instructions =
      "You are a customer-service assistant. Answer briefly and only from what the conversation and the business's own "
      "information say. If you do not know, say so and offer to hand over to a person. Never invent orders, prices or "
      "policies.";
  std::string fallback_text =
      "Sorry, I cannot answer right now. A colleague will come back to you as soon as possible.";

  static constexpr std::string_view prefix = "";
  static constexpr std::array docs{
      config::Doc{"history_tokens", "Budget of the prompt, history included, in estimated tokens", 64, 10'000'000},
      config::Doc{"instructions", "The system prompt"},
      config::Doc{"fallback_text", "The text for a visitor when no model answers"},
  };
};
BOOST_DESCRIBE_STRUCT(ChatSettings, (assistant::ModelSettings), (history_tokens, instructions, fallback_text))

}  // namespace omnibus::chat
