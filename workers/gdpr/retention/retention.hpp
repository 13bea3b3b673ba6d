/// Retention: what is deleted because of its age.
#pragma once

#include "events/tick.hpp"
#include "handler/context.hpp"
#include "workers/gdpr/retention/retention_store.hpp"

#include <memory>
#include <vector>

namespace omnibus::gdpr {

/// Purges messages, the audit log and the pipeline's tables at their ticks, and publishes what finished runs did,
/// those that an operator began included. A run that its guard stopped is an error in the log: an operator looks at the
/// clock and begins it by `omnibus gdpr prune RUN --force`. Use it on the event loop.
class Retention {
 public:
  Retention() : Retention{std::make_unique<PostgresRetention>()} {}
  explicit Retention(std::unique_ptr<RetentionStore> store) : store_{std::move(store)} {}

  /// Each ends the event.
  Task<> run(Context& context, TickPruneMessages const& tick);
  Task<> run(Context& context, TickPruneGdprAudit const& tick);
  Task<> run(Context& context, TickPrunePipeline const& tick);

 private:
  Task<> prune(Context& context, std::vector<retention::PruneTask> tasks);
  void announce(UnitOfWork& unit);

  std::unique_ptr<RetentionStore> store_;
};

}  // namespace omnibus::gdpr
