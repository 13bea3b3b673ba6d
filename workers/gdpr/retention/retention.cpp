#include "workers/gdpr/retention/retention.hpp"

#include <utility>

namespace omnibus::gdpr {

Task<> Retention::run(Context& context, TickPruneMessages const&) {
  auto committing = context.commit([](UnitOfWork&) {});
  co_await std::move(committing);
}

Task<> Retention::run(Context& context, TickPruneGdprAudit const&) {
  auto committing = context.commit([](UnitOfWork&) {});
  co_await std::move(committing);
}

Task<> Retention::run(Context& context, TickPrunePipeline const&) {
  auto committing = context.commit([](UnitOfWork&) {});
  co_await std::move(committing);
}

}  // namespace omnibus::gdpr
