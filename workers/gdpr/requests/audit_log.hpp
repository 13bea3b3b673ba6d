/// The audit of requests, their steps, retention and pruning.
#pragma once

#include "events/gdpr.hpp"
#include "handler/unit_of_work.hpp"
#include "uuid/uuid.hpp"

#include <optional>
#include <string>
#include <vector>

namespace omnibus::gdpr {

/// Who writes an audit row unless it says otherwise.
inline constexpr char const* worker_actor = "worker:gdpr";

/// Rows and events of the audit log. Keys, ids, words of ours and counts only; tests of the handler have one in memory.
class AuditLog {
 public:
  virtual ~AuditLog() = default;
  /// Adds a row and publishes its event. A request has each action once: a second one writes and publishes nothing.
  void record(UnitOfWork& unit, GdprAuditRecorded const& entry) {
    if (add(unit, entry)) unit.publish(entry, entry.domain);
  }

 private:
  /// @return false when the request has this action already.
  virtual bool add(UnitOfWork& unit, GdprAuditRecorded const& entry) = 0;
};

/// The one in PostgreSQL. Any thread may use it.
class PostgresAuditLog final : public AuditLog {
 private:
  bool add(UnitOfWork& unit, GdprAuditRecorded const& entry) override;
};

/// An entry of this worker about a request.
GdprAuditRecorded audit_of(GdprRequest const& request, std::string action, std::string status,
                           std::vector<GdprCount> counts = {});

}  // namespace omnibus::gdpr
