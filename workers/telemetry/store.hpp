/// All SQL of the telemetry worker.
#pragma once

#include "events/uuid.hpp"
#include "workers/telemetry/call.hpp"
#include "workers/telemetry/rollup.hpp"

#include <unordered_set>
#include <vector>

namespace pqxx {
class transaction_base;
}

namespace omnibus::telemetry {

/// Claims these calls, each with an id of its own, for the transaction. @return those that are in nobody's hands yet;
/// waits for a transaction that has claimed one of them.
/// @throws Failure (permanent) when one is of a day that telemetry does not keep.
std::unordered_set<Uuid> claim_calls(pqxx::transaction_base& transaction, std::vector<Call> const& calls);

/// Writes the rows of calls that are claimed.
void insert_calls(pqxx::transaction_base& transaction, std::vector<Call> const& calls);

/// Adds to the three tables, in an order that is the same for everyone.
void add_rollups(pqxx::transaction_base& transaction, Rollups const& rollups);

}  // namespace omnibus::telemetry
