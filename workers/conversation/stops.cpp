#include "workers/conversation/stops.hpp"

#include "text/likeness.hpp"

#include <algorithm>
#include <vector>

namespace omnibus::conversation {
namespace {

/// Whether the last of these messages repeats one before it.
bool repeats_earlier(std::span<MessageShape const> shapes) {
  return std::any_of(shapes.begin(), shapes.end() - 1,
                     [&](MessageShape const& earlier) { return likeness(earlier, shapes.back()) >= repeats_from; });
}

bool is_repetition(std::span<SaidTurn const> turns) {
  if (turns.size() < 3) return false;  // the first one repeats nothing
  std::vector<MessageShape> shapes;
  shapes.reserve(turns.size());
  for (auto const& turn : turns) shapes.emplace_back(turn.message);
  std::span<MessageShape const> const all{shapes};
  return repeats_earlier(all) && repeats_earlier(all.first(all.size() - 1));
}

}  // namespace

std::string_view to_string(StopReason reason) noexcept {
  switch (reason) {
    case StopReason::agreed_end:
      return "agreed_end";
    case StopReason::max_turns:
      return "max_turns";
    case StopReason::max_tokens:
      return "max_tokens";
    case StopReason::max_cost:
      return "max_cost";
    case StopReason::deadline:
      return "deadline";
    case StopReason::repetition:
      return "repetition";
    case StopReason::refused:
      return "refused";
    case StopReason::model_failed:
      return "model_failed";
    case StopReason::erased:
      return "erased";
    case StopReason::withdrawn:
      return "withdrawn";
  }
  return {};
}

bool is_failure(StopReason reason) noexcept {
  return reason >= StopReason::refused;
}

std::optional<StopReason> stop_after(std::span<SaidTurn const> turns, std::size_t max_turns) {
  auto const count = turns.size();
  if (count >= 2 && turns[count - 1].wants_to_end && turns[count - 2].wants_to_end) return StopReason::agreed_end;
  if (is_repetition(turns)) return StopReason::repetition;
  if (count >= max_turns) return StopReason::max_turns;
  return std::nullopt;
}

std::optional<StopReason> limit_before(ConversationLimits const& limits, ConversationTotals const& stored,
                                       assistant::Spent const& before, assistant::PlannedCall const& call) {
  auto const tokens =
      stored.tokens + before.prompt_tokens + before.completion_tokens + call.prompt_tokens + call.max_tokens;
  if (tokens > limits.tokens) return StopReason::max_tokens;
  auto const cost = stored.cost_nano_usd + before.cost_nano_usd + call.cost_nano_usd;
  if (cost > limits.cost_nano_usd) return StopReason::max_cost;
  return std::nullopt;
}

}  // namespace omnibus::conversation
