#include "workers/telemetry/handler.hpp"

#include "workers/telemetry/rollup.hpp"
#include "workers/telemetry/store.hpp"

#include <unordered_set>

namespace omnibus::telemetry {

void TelemetryHandler::apply(pqxx::transaction_base& transaction, std::vector<Item const*> const& items) const {
  std::vector<Call> calls;
  calls.reserve(items.size());
  std::unordered_set<Uuid> seen;
  seen.reserve(items.size());
  for (auto const* const item : items) {
    auto const call = read_call(*item);
    if (seen.insert(call.told->call_id).second) calls.push_back(call);
  }
  auto const claimed = claim_calls(transaction, calls);
  std::erase_if(calls, [&](Call const& call) { return !claimed.contains(call.told->call_id); });
  if (calls.empty()) return;
  insert_calls(transaction, calls);
  add_rollups(transaction, Rollups{calls});  // last: the rows that every worker changes are locked the shortest
}

}  // namespace omnibus::telemetry
