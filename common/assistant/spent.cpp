#include "assistant/spent.hpp"

#include <charconv>

#include <fmt/format.h>

namespace omnibus::assistant {
namespace {

constexpr std::int64_t nano = 1'000'000'000;

}  // namespace

std::int64_t nano_usd(std::string_view usd) {
  auto const point = usd.find('.');
  if (point == std::string_view::npos) return 0;
  std::int64_t whole = 0;
  std::int64_t fraction = 0;
  std::from_chars(usd.data(), usd.data() + point, whole);
  std::from_chars(usd.data() + point + 1, usd.data() + usd.size(), fraction);
  return whole * nano + fraction;
}

void Spent::add(LlmCall const& call) {
  ++calls;
  prompt_tokens += call.input_tokens;
  completion_tokens += call.output_tokens;
  estimated = estimated || call.usage_estimated;
  cost_nano_usd += nano_usd(call.cost_usd);
  duration_ms += call.duration_ms;
}

void Spent::add(Spent const& more) {
  calls += more.calls;
  prompt_tokens += more.prompt_tokens;
  completion_tokens += more.completion_tokens;
  estimated = estimated || more.estimated;
  cost_nano_usd += more.cost_nano_usd;
  duration_ms += more.duration_ms;
}

std::string Spent::cost_usd() const {
  return fmt::format("{}.{:09}", cost_nano_usd / nano, cost_nano_usd % nano);
}

}  // namespace omnibus::assistant
