/// A model call as telemetry stores it.
#pragma once

#include "events/llm.hpp"
#include "handler/batch_handler.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <string_view>
#include <variant>

namespace omnibus::telemetry {

/// A day in ms.
inline constexpr std::int64_t day_ms = 86'400'000;

using Item = BatchItem<LlmCallCompleted, LlmCallFailed>;

/// The values of one call, with time and cost checked. Refers to the item it was read from.
struct Call {
  LlmCall const* told;
  bool success;
  std::string_view error_type;  ///< empty for a call that succeeded
  std::int64_t time_ms;         ///< in ms since 1970
  std::int64_t cost_nano_usd;
};

/// The id that a call is claimed by, and the time whose day is stored beside it.
struct CallKey {
  Uuid call_id;
  std::int64_t time_ms;
};

/// Reads an item. Its time is the event's own, so that late and replayed events count where they belong. If it is more
/// than a day after the record's time or ten years before it, the producer's clock is wrong, and the record's
/// time is used. Neither depends on when this runs.
/// @throws Failure (permanent) for an impossible number, text or time, which would falsify the sums.
Call read_call(Item const& item);

}  // namespace omnibus::telemetry
