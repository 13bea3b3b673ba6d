#include "workers/gdpr/requests/audit_log.hpp"

#include "workers/gdpr/requests/counts.hpp"

#include <utility>

#include <pqxx/pqxx>

namespace omnibus::gdpr {

bool PostgresAuditLog::add(UnitOfWork& unit, GdprAuditRecorded const& entry) {
  std::optional<std::string> request;
  if (entry.request_id) request = to_string(*entry.request_id);
  auto const added = unit.transaction().exec(
      "INSERT INTO gdpr_audit_log (domain, actor, action, subject_key, request_id, status, payload) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb) ON CONFLICT DO NOTHING RETURNING id",
      pqxx::params{entry.domain, entry.actor, entry.action, entry.subject_key, request, entry.status,
                   counts_json(entry.counts)});
  return !added.empty();
}

GdprAuditRecorded audit_of(GdprRequest const& request, std::string action, std::string status,
                           std::vector<GdprCount> counts) {
  return {request.domain,     std::move(action),   worker_actor,     std::move(status),
          request.request_id, request.subject_key, std::move(counts)};
}

}  // namespace omnibus::gdpr
