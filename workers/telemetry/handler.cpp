#include "workers/telemetry/handler.hpp"

#include "workers/telemetry/rollup.hpp"
#include "workers/telemetry/store.hpp"

#include <algorithm>

namespace omnibus::telemetry {
namespace {

Uuid const& call_id(Call const& call) {
  return call.told->call_id;
}

}  // namespace

void TelemetryHandler::apply(pqxx::transaction_base& transaction, std::vector<Item const*> const& items) const {
  std::vector<Call> calls;
  calls.reserve(items.size());
  for (auto const* const item : items) calls.push_back(read_call(*item));
  // In the order of their ids, so that two workers with the same calls wait for one another instead of deadlocking.
  std::ranges::stable_sort(calls, {}, call_id);
  auto const repeated = std::ranges::unique(calls, {}, call_id);  // the first one counts
  calls.erase(repeated.begin(), repeated.end());

  open_days(transaction, calls);
  auto const all_new = !expects_known_ && claim_new_calls(transaction, calls);
  if (!all_new) {
    auto const claimed = claim_calls(transaction, calls);
    expects_known_ = claimed.size() < calls.size();
    std::erase_if(calls, [&](Call const& call) { return !claimed.contains(call.told->call_id); });
  }
  if (calls.empty()) return;
  insert_calls(transaction, calls, replay_id_);
  add_rollups(transaction, Rollups{calls});  // last: the rows that every worker changes are locked the shortest
}

}  // namespace omnibus::telemetry
