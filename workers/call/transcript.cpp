#include "workers/call/transcript.hpp"

#include "assistant/newest.hpp"

#include <algorithm>
#include <iterator>
#include <string>

namespace omnibus::call {
namespace {

void append_in_one_line(std::string& out, std::string_view text) {
  std::transform(text.begin(), text.end(), std::back_inserter(out),
                 [](char c) { return static_cast<unsigned char>(c) < 0x20 ? ' ' : c; });
}

std::size_t cost(Utterance const& utterance) {
  return static_cast<std::size_t>(llm::estimate_tokens(utterance.speaker) + llm::estimate_tokens(utterance.text)) + 1;
}

}  // namespace

std::vector<llm::Message> summary_prompt(std::string_view instructions, std::vector<Utterance> const& transcript,
                                         std::size_t token_budget) {
  auto const first = assistant::newest_within(transcript, static_cast<std::int64_t>(token_budget), cost);
  std::string text;
  for (auto utterance = first; utterance != transcript.end(); ++utterance) {
    append_in_one_line(text, utterance->speaker);
    text += ": ";
    append_in_one_line(text, utterance->text);
    text += '\n';
  }
  return {{"system", std::string{instructions}}, {"user", std::move(text)}};
}

}  // namespace omnibus::call
