#include "workers/gdpr/retention/retention_store.hpp"

#include <utility>

#include <pqxx/pqxx>

namespace omnibus::gdpr {

Task<retention::PruneReport> PostgresRetention::prune(Context& context, retention::PruneTask const& task) {
  // A repetition does no harm: a run goes on from its own position, and rows that are gone are not deleted twice.
  auto pruning = context.read([&task](pqxx::connection& connection) { return retention::prune(connection, task); });
  co_return co_await std::move(pruning);
}

std::vector<retention::PruneCount> PostgresRetention::take_unannounced(UnitOfWork& unit) {
  return retention::take_unannounced(unit.transaction());
}

}  // namespace omnibus::gdpr
