#include "workers/telemetry/handler.hpp"

#include "workers/telemetry/rollup.hpp"
#include "workers/telemetry/store.hpp"

#include <algorithm>
#include <unordered_set>

namespace omnibus::telemetry {
namespace {

/// Their keys, in the order in which they are claimed: two workers with the same calls then wait for one another
/// instead of deadlocking. The calls themselves stay as they came, which is how they lie in memory.
std::vector<CallKey> keys_of(std::vector<Call> const& calls) {
  std::vector<CallKey> keys;
  keys.reserve(calls.size());
  for (auto const& call : calls) keys.push_back({call.told->call_id, call.time_ms});
  std::ranges::sort(keys, {}, &CallKey::call_id);
  return keys;
}

void keep_first_of_each(std::vector<Call>& calls) {
  std::unordered_set<Uuid> seen;
  std::erase_if(calls, [&](Call const& call) { return !seen.insert(call.told->call_id).second; });
}

}  // namespace

void TelemetryHandler::apply(pqxx::transaction_base& transaction, std::vector<Item const*> const& items) const {
  std::vector<Call> calls;
  calls.reserve(items.size());
  for (auto const* const item : items) calls.push_back(read_call(*item));
  auto keys = keys_of(calls);
  if (std::ranges::adjacent_find(keys, {}, &CallKey::call_id) != keys.end()) {
    keep_first_of_each(calls);
    keys = keys_of(calls);
  }

  open_days(transaction, calls);
  auto const all_new = !expects_known_ && claim_new_calls(transaction, keys);
  if (!all_new) {
    auto const claimed = claim_calls(transaction, keys);
    expects_known_ = claimed.size() < keys.size();
    std::erase_if(calls, [&](Call const& call) { return !claimed.contains(call.told->call_id); });
  }
  if (calls.empty()) return;
  insert_calls(transaction, calls, replay_id_);
  add_rollups(transaction, Rollups{calls});  // last: the rows that every worker changes are locked the shortest
}

}  // namespace omnibus::telemetry
