/// Runs of retention, for the worker.
#pragma once

#include "handler/context.hpp"
#include "retention/prune_run.hpp"

#include <vector>

namespace omnibus::gdpr {

/// Where runs of retention happen. Use it on the event loop; functions with a unit of work run on a thread of the pool.
class RetentionStore {
 public:
  virtual ~RetentionStore() = default;
  /// Begins a run or goes on with it, for a few seconds at most. As retention::prune().
  virtual Task<retention::PruneReport> prune(Context& context, retention::PruneTask const& task) = 0;
  /// As retention::take_unannounced().
  virtual std::vector<retention::PruneCount> take_unannounced(UnitOfWork& unit) = 0;
};

/// The one in PostgreSQL.
class PostgresRetention final : public RetentionStore {
 public:
  Task<retention::PruneReport> prune(Context& context, retention::PruneTask const& task) override;
  std::vector<retention::PruneCount> take_unannounced(UnitOfWork& unit) override;
};

}  // namespace omnibus::gdpr
