/// A call of a model as telemetry keeps it.
#pragma once

#include "events/llm.hpp"
#include "handler/batch_handler.hpp"

#include <cstdint>
#include <string_view>
#include <variant>

namespace omnibus::telemetry {

/// A day in ms.
inline constexpr std::int64_t day_ms = 86'400'000;

using Item = BatchItem<LlmCallCompleted, LlmCallFailed>;

/// What is told of one call, with its time and cost checked. Refers to the item it was read from.
struct Call {
  LlmCall const* told;
  bool success;
  std::string_view error_type;  ///< empty of a call that succeeded
  std::int64_t time_ms;         ///< in ms since 1970
  std::int64_t cost_nano_usd;
};

/// Reads an item. Its time is the event's own, so that late and replayed events count where they belong; one that the
/// time of the record contradicts by more than a day ahead or ten years back is a clock that is off, and the record's
/// time is taken. Neither depends on when this runs.
/// @throws Failure (permanent) for a number, text or time that no call has: one of them must not spoil the sums.
Call read_call(Item const& item);

}  // namespace omnibus::telemetry
