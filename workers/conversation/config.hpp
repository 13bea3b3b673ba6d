/// The settings of the conversation worker.
#pragma once

#include "assistant/settings.hpp"
#include "config/config.hpp"

#include <array>
#include <chrono>
#include <cstdint>

#include <boost/describe/class.hpp>

namespace omnibus::conversation {

struct ConversationSettings : assistant::ModelSettings {
  std::int32_t conversation_max_turns = 12;
  std::int64_t conversation_max_tokens = 20'000;
  double conversation_max_cost = 0.50;
  std::chrono::milliseconds conversation_deadline{1'800'000};
  std::int32_t conversation_turn_tokens = 400;
  std::int32_t conversation_history_tokens = 1'500;

  static constexpr std::string_view prefix = "";
  static constexpr std::array docs{
      config::Doc{"conversation_max_turns", "Most turns of both agents together", 2, 100},
      config::Doc{"conversation_max_tokens", "Most tokens of all calls of one conversation", 1, 1e9},
      config::Doc{"conversation_max_cost", "Highest cost of one conversation in US dollars", 0, 1e6},
      config::Doc{"conversation_deadline", "Longest time from the beginning to the last call", 1, 2'592'000},
      config::Doc{"conversation_turn_tokens", "Longest answer asked for, in tokens", 64, 100'000},
      config::Doc{"conversation_history_tokens", "Earlier messages in a prompt, in estimated tokens", 64, 1'000'000},
  };
};
BOOST_DESCRIBE_STRUCT(ConversationSettings, (assistant::ModelSettings),
                      (conversation_max_turns, conversation_max_tokens, conversation_max_cost, conversation_deadline,
                       conversation_turn_tokens, conversation_history_tokens))

}  // namespace omnibus::conversation
