/// The prompt for the model.
#pragma once

#include "llm/llm.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::chat {

/// One message of a conversation as the model sees it: role `user`, `assistant` or `agent`.
struct PastMessage {
  std::string role;
  std::string content;
};

/// Estimates the tokens of a text: a quarter of its bytes, rounded up, plus four for the frame around a message. For
/// budgets only; the provider reports the real usage.
std::size_t estimate_tokens(std::string_view text);

/// The estimated tokens that a budget leaves for the history; may be negative.
std::int64_t history_budget(std::string_view instructions, std::string_view message, std::size_t token_budget);

/// The instructions, then as much of the newest history as fits `token_budget` together with them and the message, then
/// the message, which is always included. A colleague's message gets the role of the assistant.
std::vector<llm::Message> make_prompt(std::string_view instructions, std::vector<PastMessage> history,
                                      std::string_view message, std::size_t token_budget);

}  // namespace omnibus::chat
