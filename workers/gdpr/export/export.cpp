#include "workers/gdpr/export/export.hpp"

#include <utility>

namespace omnibus::gdpr {

Task<> Export::run(Context& context, GdprExportRequested const& request) {
  auto committing = context.commit([&](UnitOfWork& unit) {
    requests_.complete(unit, request.request_id, std::nullopt);
    audit_.record(unit, audit_of(request, "export.completed", "done"));
  });
  co_await std::move(committing);
}

}  // namespace omnibus::gdpr
