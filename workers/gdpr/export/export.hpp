/// The export of a person's data.
#pragma once

#include "events/gdpr.hpp"
#include "handler/context.hpp"
#include "workers/gdpr/export/archive_maker.hpp"
#include "workers/gdpr/requests/audit_log.hpp"
#include "workers/gdpr/requests/request_store.hpp"

namespace omnibus::gdpr {

/// Has an archive made of what is stored about a person. Keeps references to the stores.
class Export {
 public:
  Export(RequestStore& requests, AuditLog& audit, ArchiveMaker& archives)
      : requests_{requests}, audit_{audit}, archives_{archives} {}

  /// Works on a request that nothing keeps waiting, and ends the event.
  Task<> run(Context& context, GdprExportRequested const& request);

 private:
  RequestStore& requests_;
  AuditLog& audit_;
  ArchiveMaker& archives_;
};

}  // namespace omnibus::gdpr
