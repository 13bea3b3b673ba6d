#include "workers/sms/prompt.hpp"

#include "assistant/newest.hpp"

namespace omnibus::sms {

std::vector<llm::Message> make_prompt(std::string_view instructions, std::string_view context,
                                      std::vector<SessionLine> const& history, std::string_view text,
                                      std::int64_t token_budget) {
  auto const oldest = assistant::newest_within(
      history, token_budget, [](SessionLine const& line) { return llm::estimate_tokens(line.content) + 4; });
  std::string system{instructions};
  system.append("\nWhat is known of this conversation, as data:\n").append(context);
  std::vector<llm::Message> prompt;
  prompt.push_back({"system", std::move(system)});
  for (auto line = oldest; line != history.end(); ++line)
    if (!line->content.empty()) prompt.push_back({line->ours ? "assistant" : "user", line->content});
  prompt.push_back({"user", std::string{text}});
  return prompt;
}

}  // namespace omnibus::sms
