/// What is deleted because of its age, table by table.
#pragma once

#include "retention/prune_guard.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::retention {

/// One table of a task.
///
/// `batch` deletes at most $2 rows that are older than the cut-off $1, and begins behind the position $3 of the batch
/// before; the first one's is empty. Its rows are `domain`, `rows` (deleted) and `held`, each with the same `position`
/// and `more`: whether another batch is needed. Each batch asks for legal holds in its own transaction.
struct PruneStep {
  std::string table;
  std::string batch;
  std::string held{};  ///< counts what holds kept, as `domain` and `held`, once the step is done; empty: `batch` does
};

/// Tables that are pruned in one run.
struct PruneTask {
  std::string name;    ///< of its runs
  std::string action;  ///< in the audit log
  std::string cutoff;  ///< an SQL expression of now()
  std::string count;   ///< a query of `due` and `total`, by the cut-off $1; empty: nothing is counted
  std::optional<std::string_view> (*guard)(PruneOutlook const&) = reason_to_stop;
  std::vector<PruneStep> steps{};
};

/// The audit log: rows older than two calendar years in UTC.
PruneTask audit_task();

/// What people wrote and what is known of them, by each tenant's retention_days: contents and then conversations,
/// calls, deliveries, sessions, profiles, matches, reports and people without activity.
PruneTask messages_task();

/// The tables that kept_tables() gives an age and omnibus-gdpr to prune.
std::vector<PruneTask> pipeline_tasks(std::chrono::milliseconds longest_retention);

}  // namespace omnibus::retention
