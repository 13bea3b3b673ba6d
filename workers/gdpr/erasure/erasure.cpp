#include "workers/gdpr/erasure/erasure.hpp"

#include <utility>

namespace omnibus::gdpr {

Task<> Erasure::run(Context& context, GdprDeletionRequested const& request) {
  auto committing = context.commit([&](UnitOfWork& unit) {
    requests_.complete(unit, request.request_id, std::nullopt);
    audit_.record(unit, audit_of(request, "erasure.completed", "done"));
  });
  co_await std::move(committing);
}

}  // namespace omnibus::gdpr
