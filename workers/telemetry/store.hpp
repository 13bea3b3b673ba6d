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

/// Makes the partitions that these calls need, and keeps them from being dropped until the transaction ends.
/// @throws Failure (permanent) when one is of a day that telemetry does not keep.
void open_days(pqxx::transaction_base& transaction, std::vector<Call> const& calls);

/// Claims these calls, each with an id of its own and in the order of the ids, for the transaction, unless one of them
/// is in somebody's hands: then it claims none. Waits for a transaction that has claimed one of them.
/// @return whether it claimed them
bool claim_new_calls(pqxx::transaction_base& transaction, std::vector<Call> const& calls);

/// Claims those of them that are in nobody's hands yet, and returns them. Takes over twice as long as
/// claim_new_calls().
std::unordered_set<Uuid> claim_calls(pqxx::transaction_base& transaction, std::vector<Call> const& calls);

/// Writes the rows of calls that are claimed.
void insert_calls(pqxx::transaction_base& transaction, std::vector<Call> const& calls, Uuid const& replay_id);

/// Adds to the three tables, in an order that is the same for everyone.
void add_rollups(pqxx::transaction_base& transaction, Rollups const& rollups);

}  // namespace omnibus::telemetry
