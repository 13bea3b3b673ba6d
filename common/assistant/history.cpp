#include "assistant/history.hpp"

#include "text/words.hpp"

#include <string_view>
#include <utility>

namespace omnibus::assistant {
namespace {

constexpr std::string_view written_before = "\nYou wrote to this person before:\n";

bool says_something(llm::Message const& message) {
  return message.role == "tool" || !message.tool_calls.empty() || has_words(message.content);
}

/// Whether a message belongs to the one before it. A message with tool calls ends its turn.
bool continues(llm::Message const& before, llm::Message const& message) {
  return before.role == message.role && message.role != "tool" && before.tool_calls.empty();
}

void append_words(std::string& text, std::string_view separator, std::string const& more) {
  if (!has_words(more)) return;
  if (!text.empty()) text += separator;
  text += more;
}

}  // namespace

std::vector<llm::Message> healed(std::vector<llm::Message> prompt) {
  std::vector<llm::Message> result;
  result.reserve(prompt.size());
  for (auto& message : prompt) {
    if (!says_something(message)) continue;
    auto const is_first_word = result.empty() || result.back().role == "system";
    if (is_first_word && message.role == "assistant" && message.tool_calls.empty()) {
      if (result.empty()) result.push_back({"system", {}});
      auto& instructions = result.back().content;
      auto const is_told = instructions.find(written_before) != std::string::npos;
      instructions.append(is_told ? "\n" : written_before).append(message.content);
    } else if (!result.empty() && continues(result.back(), message)) {
      append_words(result.back().content, "\n\n", message.content);
      result.back().tool_calls = std::move(message.tool_calls);
    } else {
      result.push_back(std::move(message));
    }
  }
  return result;
}

bool asks_something(std::vector<llm::Message> const& prompt) {
  return !prompt.empty() && (prompt.back().role == "user" || prompt.back().role == "tool");
}

}  // namespace omnibus::assistant
