/// All SQL of the telemetry worker.
#pragma once

#include "uuid/uuid.hpp"
#include "workers/telemetry/call.hpp"
#include "workers/telemetry/rollup.hpp"

#include <unordered_set>
#include <vector>

namespace pqxx {
class transaction_base;
}

namespace omnibus::telemetry {

/// Creates the partitions for these calls, and prevents their removal until the transaction ends.
/// @throws Failure (permanent) for a day that telemetry does not store.
void open_days(pqxx::transaction_base& transaction, std::vector<Call> const& calls);

/// Claims calls, with distinct ids in order, for the transaction. If one of them is claimed already, claims none.
/// Waits for a transaction that has claimed one of them.
/// @return whether it claimed them
bool claim_new_calls(pqxx::transaction_base& transaction, std::vector<CallKey> const& keys);

/// Claims those that are not claimed yet, and returns them. Takes twice as long as claim_new_calls().
std::unordered_set<Uuid> claim_calls(pqxx::transaction_base& transaction, std::vector<CallKey> const& keys);

/// Writes the rows of claimed calls.
void insert_calls(pqxx::transaction_base& transaction, std::vector<Call> const& calls, Uuid const& replay_id);

/// Adds to the three tables, always in the same order, to avoid deadlocks.
void add_rollups(pqxx::transaction_base& transaction, Rollups const& rollups);

}  // namespace omnibus::telemetry
