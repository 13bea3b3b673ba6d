#include "workers/chat/prompt.hpp"

#include "assistant/newest.hpp"

#include <utility>

namespace omnibus::chat {

std::size_t estimate_tokens(std::string_view text) {
  return (text.size() + 3) / 4 + 4;
}

std::int64_t history_budget(std::string_view instructions, std::string_view message, std::size_t token_budget) {
  auto const fixed = estimate_tokens(instructions) + estimate_tokens(message);
  return static_cast<std::int64_t>(token_budget) - static_cast<std::int64_t>(fixed);
}

std::vector<llm::Message> make_prompt(std::string_view instructions, std::vector<PastMessage> history,
                                      std::string_view message, std::size_t token_budget) {
  auto const left = history_budget(instructions, message, token_budget);
  auto const oldest =
      assistant::newest_within(history, left, [](PastMessage const& line) { return estimate_tokens(line.content); });
  std::vector<llm::Message> prompt;
  prompt.push_back({"system", std::string{instructions}, {}, {}});
  for (auto line = oldest; line != history.end(); ++line)
    prompt.push_back({line->role == "agent" ? "assistant" : std::move(line->role), std::move(line->content), {}, {}});
  prompt.push_back({"user", std::string{message}, {}, {}});
  return prompt;
}

}  // namespace omnibus::chat
