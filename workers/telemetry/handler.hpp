/// Stores model calls and aggregates them.
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

/// The worker has no settings of its own.
struct TelemetrySettings {
  static constexpr std::string_view prefix = "";
};
BOOST_DESCRIBE_STRUCT(TelemetrySettings, (), ())

/// Writes a row per call into chat_telemetry and adds it to the rollups, many calls to a transaction.
///
/// A call counts once by its call_id, however often it is published: the transaction first claims the ids, then
/// writes and adds only the claimed ones. Batches of one worker commit at the same time. Adding is
/// exact for the same reason, and commutative: late events, other orders, several workers and a crash at any point all
/// give the sums of the rows. Adding reads only the bucket's row that it changes; recomputing would read all calls.
class TelemetryHandler {
 public:
  static constexpr std::string_view name = "telemetry";
  static constexpr std::string_view summary =
      "Keeps every call of a model and the sums of them, by 15 minutes and day.";
  using Settings = TelemetrySettings;
  using Events = EventList<LlmCallCompleted, LlmCallFailed>;
  static constexpr std::size_t max_batch = 16'000;
  static constexpr bool own_key = true;  ///< the call_id

  explicit TelemetryHandler(Uuid const& replay_id = {}) : replay_id_{replay_id} {}
  TelemetryHandler(Resources& resources, TelemetrySettings const&) : TelemetryHandler{resources.run_id} {}

  /// @throws Failure (permanent) for a call that is not plausible.
  void check(Item const& item) const { read_call(item); }
  void apply(pqxx::transaction_base& transaction, std::vector<Item const*> const& items) const;

 private:
  Uuid replay_id_;  ///< stored in the rows it writes; nil outside of a replay
  /// Whether to look for existing calls before claiming: true if the last batch with this check found some.
  mutable std::atomic<bool> expects_known_{false};
};

}  // namespace omnibus::telemetry
