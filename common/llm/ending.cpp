#include "llm/ending.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace omnibus::llm {
namespace {

constexpr std::array<std::pair<std::string_view, AnswerEnding>, 35> reasons{{
    {"stop", AnswerEnding::stop},
    {"length", AnswerEnding::length},
    {"max_tokens", AnswerEnding::length},
    {"max_output_tokens", AnswerEnding::length},
    {"max_new_tokens", AnswerEnding::length},
    {"model_length", AnswerEnding::length},
    {"token_limit", AnswerEnding::length},
    {"context_length", AnswerEnding::length},
    {"model_context_window_exceeded", AnswerEnding::length},
    {"tool_calls", AnswerEnding::tool_calls},
    {"tool_call", AnswerEnding::tool_calls},
    {"tool_use", AnswerEnding::tool_calls},
    {"function_call", AnswerEnding::tool_calls},
    {"content_filter", AnswerEnding::filter},
    {"content_filtered", AnswerEnding::filter},
    {"guardrail_intervened", AnswerEnding::filter},
    {"sensitive", AnswerEnding::filter},
    {"safety", AnswerEnding::filter},
    {"recitation", AnswerEnding::filter},
    {"blocklist", AnswerEnding::filter},
    {"prohibited_content", AnswerEnding::filter},
    {"spii", AnswerEnding::filter},
    {"image_safety", AnswerEnding::filter},
    {"refusal", AnswerEnding::refusal},
    {"error", AnswerEnding::error},
    {"error_toxic", AnswerEnding::filter},
    {"network_error", AnswerEnding::error},
    {"insufficient_system_resource", AnswerEnding::error},
    {"malformed_function_call", AnswerEnding::error},
    {"unexpected_tool_call", AnswerEnding::error},
    {"abort", AnswerEnding::error},
    {"aborted", AnswerEnding::error},
    {"cancelled", AnswerEnding::error},
    {"timeout", AnswerEnding::error},
    {"failed", AnswerEnding::error},
}};

bool is_same(std::string_view reason, std::string_view lower) {
  return std::equal(reason.begin(), reason.end(), lower.begin(), lower.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b; });
}

}  // namespace

AnswerEnding ending_of(std::string_view finish_reason) {
  if (finish_reason.empty() || is_same(finish_reason, "null") || is_same(finish_reason, "none"))
    return AnswerEnding::none;
  for (auto const& [name, ending] : reasons)
    if (is_same(finish_reason, name)) return ending;
  return AnswerEnding::stop;
}

std::string_view to_string(AnswerEnding ending) {
  switch (ending) {
    case AnswerEnding::none:
      return {};
    case AnswerEnding::stop:
      return "stop";
    case AnswerEnding::length:
      return "length";
    case AnswerEnding::tool_calls:
      return "tool_calls";
    case AnswerEnding::filter:
      return "content_filter";
    case AnswerEnding::refusal:
      return "refusal";
    case AnswerEnding::error:
      return "error";
  }
  return {};
}

}  // namespace omnibus::llm
