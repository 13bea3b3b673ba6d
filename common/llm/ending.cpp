#include "llm/ending.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace omnibus::llm {
namespace {

constexpr std::array<std::pair<std::string_view, Ending>, 35> reasons{{
    {"stop", Ending::stop},
    {"length", Ending::length},
    {"max_tokens", Ending::length},
    {"max_output_tokens", Ending::length},
    {"max_new_tokens", Ending::length},
    {"model_length", Ending::length},
    {"token_limit", Ending::length},
    {"context_length", Ending::length},
    {"model_context_window_exceeded", Ending::length},
    {"tool_calls", Ending::tool_calls},
    {"tool_call", Ending::tool_calls},
    {"tool_use", Ending::tool_calls},
    {"function_call", Ending::tool_calls},
    {"content_filter", Ending::filter},
    {"content_filtered", Ending::filter},
    {"guardrail_intervened", Ending::filter},
    {"sensitive", Ending::filter},
    {"safety", Ending::filter},
    {"recitation", Ending::filter},
    {"blocklist", Ending::filter},
    {"prohibited_content", Ending::filter},
    {"spii", Ending::filter},
    {"image_safety", Ending::filter},
    {"refusal", Ending::refusal},
    {"error", Ending::error},
    {"error_toxic", Ending::filter},
    {"network_error", Ending::error},
    {"insufficient_system_resource", Ending::error},
    {"malformed_function_call", Ending::error},
    {"unexpected_tool_call", Ending::error},
    {"abort", Ending::error},
    {"aborted", Ending::error},
    {"cancelled", Ending::error},
    {"timeout", Ending::error},
    {"failed", Ending::error},
}};

bool is_same(std::string_view reason, std::string_view lower) {
  return std::equal(reason.begin(), reason.end(), lower.begin(), lower.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b; });
}

}  // namespace

Ending ending_of(std::string_view finish_reason) {
  if (finish_reason.empty() || is_same(finish_reason, "null") || is_same(finish_reason, "none")) return Ending::none;
  for (auto const& [name, ending] : reasons)
    if (is_same(finish_reason, name)) return ending;
  return Ending::stop;
}

std::string_view to_string(Ending ending) {
  switch (ending) {
    case Ending::none:
      return {};
    case Ending::stop:
      return "stop";
    case Ending::length:
      return "length";
    case Ending::tool_calls:
      return "tool_calls";
    case Ending::filter:
      return "content_filter";
    case Ending::refusal:
      return "refusal";
    case Ending::error:
      return "error";
  }
  return {};
}

}  // namespace omnibus::llm
