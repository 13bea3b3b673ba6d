#include "workers/gdpr/export/export.hpp"

#include <algorithm>
#include <utility>

namespace omnibus::gdpr {
namespace {

/// What was found of the person: without what is stored because they were asked about.
std::vector<GdprCount> counts_of(MadeArchive const& archive) {
  auto counts = archive.counts;
  std::erase_if(counts, [](auto const& each) { return each.name == "gdpr_requests" || each.name == "gdpr_audit_log"; });
  return counts;
}

}  // namespace

Task<> Export::run(Context& context, GdprExportRequested const& request) {
  auto beginning = context.checkpoint("begun", [&](UnitOfWork& unit) {
    requests_.begin(unit, request.request_id);
    audit_.record(unit, audit_of(request, "export.begun", "started"));
  });
  co_await std::move(beginning);
  auto making = archives_.make(context, request);
  auto const archive = co_await std::move(making);
  auto committing = context.commit([&](UnitOfWork& unit) {
    if (!request.dry_run) archives_.keep(unit, request, archive);
    requests_.count(unit, request.request_id, counts_of(archive));
    requests_.complete(unit, request.request_id, std::nullopt);
    audit_.record(unit, audit_of(request, "export.completed", "done", counts_of(archive)));
  });
  co_await std::move(committing);
}

}  // namespace omnibus::gdpr
