/// The erasure of a person.
#pragma once

#include "events/gdpr.hpp"
#include "handler/context.hpp"
#include "workers/gdpr/requests/audit_log.hpp"
#include "workers/gdpr/requests/request_store.hpp"

namespace omnibus::gdpr {

/// Erases a person in steps. Keeps references to both stores.
class Erasure {
 public:
  Erasure(RequestStore& requests, AuditLog& audit) : requests_{requests}, audit_{audit} {}

  /// Works on a request that nothing keeps waiting, and ends the event.
  Task<> run(Context& context, GdprDeletionRequested const& request);

 private:
  RequestStore& requests_;
  AuditLog& audit_;
};

}  // namespace omnibus::gdpr
