/// What the model is asked.
#pragma once

#include "llm/llm.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::chat {

/// One message of a conversation as the model is to see it: role `user`, `assistant` or `agent`.
struct PastMessage {
  std::string role;
  std::string content;
};

/// About how many tokens a text takes: a quarter of its bytes, rounded up, and four for the frame around a message. For
/// budgets only; what was really used comes from the provider.
std::size_t estimate_tokens(std::string_view text);

/// The instructions, then as much of the newest history as fits `token_budget` together with them and the message, then
/// the message, which is always there. What a person wrote for us reads as the assistant's.
std::vector<llm::Message> make_prompt(std::string_view instructions, std::vector<PastMessage> const& history,
                                      std::string_view message, std::size_t token_budget);

}  // namespace omnibus::chat
