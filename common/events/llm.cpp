#include "events/llm.hpp"

#include <algorithm>
#include <initializer_list>
#include <utility>

namespace omnibus {
namespace {

constexpr std::size_t cost_places = 9;

bool are_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_cost(std::string_view text) {
  auto const point = text.find('.');
  if (point == std::string_view::npos || point < 1 || point > cost_places) return false;
  auto const fraction = text.substr(point + 1);
  return fraction.size() == cost_places && are_digits(text.substr(0, point)) && are_digits(fraction);
}

}  // namespace

std::optional<InvalidField> validate(LlmCall const& call) {
  for (auto const& [field, count] : std::initializer_list<std::pair<char const*, std::int64_t>>{
           {"input_tokens", call.input_tokens},
           {"output_tokens", call.output_tokens},
           {"cached_input_tokens", call.cached_input_tokens},
           {"reasoning_tokens", call.reasoning_tokens},
           {"duration_ms", call.duration_ms},
           {"ttft_ms", call.ttft_ms.value_or(0)},
           {"iterations", call.iterations.value_or(0)},
           {"tool_calls", call.tool_calls.value_or(0)},
           {"search_calls", call.search_calls.value_or(0)},
           {"search_zero_results", call.search_zero_results.value_or(0)},
       })
    if (count < 0) return InvalidField{field, "must not be negative"};
  if (!is_cost(call.cost_usd)) return InvalidField{"cost_usd", "must be a decimal with nine places"};
  return std::nullopt;
}

}  // namespace omnibus
