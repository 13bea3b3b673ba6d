/// Retention: what is deleted because of its age.
#pragma once

#include "events/tick.hpp"
#include "handler/context.hpp"
#include "workers/gdpr/requests/audit_log.hpp"

namespace omnibus::gdpr {

/// Purges messages, the audit log and the pipeline's tables at their ticks. Keeps a reference to the audit log.
class Retention {
 public:
  explicit Retention(AuditLog& audit) : audit_{audit} {}

  /// Each ends the event.
  Task<> run(Context& context, TickPruneMessages const& tick);
  Task<> run(Context& context, TickPruneGdprAudit const& tick);
  Task<> run(Context& context, TickPrunePipeline const& tick);

 private:
  AuditLog& audit_;
};

}  // namespace omnibus::gdpr
