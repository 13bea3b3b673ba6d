/// What the telemetry worker does with the calls of models.
#pragma once

#include "handler/batch_handler.hpp"
#include "handler/handler.hpp"
#include "workers/telemetry/call.hpp"

#include <atomic>
#include <cstddef>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::telemetry {

/// It has none of its own.
struct TelemetrySettings {
  static constexpr std::string_view prefix = "";
};
BOOST_DESCRIBE_STRUCT(TelemetrySettings, (), ())

/// Writes a row per call into chat_telemetry and adds it to the rollups, many calls to a transaction.
///
/// A call counts once by its call_id, whatever event tells of it and how often: the transaction first claims the ids,
/// and writes and adds those only that it was given. Batches of one worker are committed beside each other. Adding is
/// exact for the same reason, and commutes, so late events, other orders, several workers and a crash at any point all
/// end in the sums of the rows; and it reads nothing of a bucket but the row it changes, which recomputing would.
class TelemetryHandler {
 public:
  static constexpr std::string_view name = "telemetry";
  static constexpr std::string_view summary =
      "Keeps every call of a model and the sums of them, by 15 minutes and day.";
  using Settings = TelemetrySettings;
  using Events = EventList<LlmCallCompleted, LlmCallFailed>;
  static constexpr std::size_t max_batch = 8'000;
  static constexpr bool own_key = true;  ///< the call_id

  explicit TelemetryHandler(Uuid const& replay_id = {}) : replay_id_{replay_id} {}
  TelemetryHandler(Resources& resources, TelemetrySettings const&) : TelemetryHandler{resources.run_id} {}

  /// @throws Failure (permanent) for a call that is not plausible.
  void check(Item const& item) const { read_call(item); }
  void apply(pqxx::transaction_base& transaction, std::vector<Item const*> const& items) const;

 private:
  Uuid replay_id_;  ///< goes into the rows it writes; nil outside of a replay
  /// Whether to look for calls that are there already before claiming them: some were, in the last batch that did.
  mutable std::atomic<bool> expects_known_{false};
};

}  // namespace omnibus::telemetry
