#include "ledger/reapply.hpp"

#include "ledger/database_age.hpp"
#include "postgres/rows.hpp"

#include <algorithm>
#include <cstddef>
#include <set>
#include <span>
#include <unordered_set>
#include <utility>

#include <boost/describe/class.hpp>
#include <pqxx/pqxx>

namespace omnibus::ledger {
namespace {

constexpr std::size_t entries_at_once = 10'000;

struct OpenErasure {
  Uuid request_id;
  std::string domain, subject_key;
  std::vector<std::string> identities;
  std::optional<Uuid> requested_by;
  std::string reason;
};
BOOST_DESCRIBE_STRUCT(OpenErasure, (), (request_id, domain, subject_key, identities, requested_by, reason))

/// Of the other tables no foreign key leads to the tenant.
bool needs_tenant(std::string_view kind) {
  return kind != "erasures" && kind != "subject_keys";
}

std::unordered_set<Uuid> missing_of(pqxx::transaction_base& transaction, LedgerRead const& ledger) {
  std::vector<Uuid> ids;
  ids.reserve(ledger.entries.size());
  for (auto const& entry : ledger.entries) ids.push_back(entry.entry_id);
  std::unordered_set<Uuid> missing;
  for (std::size_t at = 0; at < ids.size(); at += entries_at_once) {
    auto const part = std::span{ids}.subspan(at, std::min(entries_at_once, ids.size() - at));
    for (auto const& id : missing_entries(transaction, part)) missing.insert(id);
  }
  return missing;
}

}  // namespace

ReapplyPlan plan_reapply(pqxx::transaction_base& transaction, LedgerRead ledger) {
  auto const missing = missing_of(transaction, ledger);
  ReapplyPlan plan;
  std::set<std::string> tenants;
  for (auto& entry : ledger.entries) {
    if (!missing.contains(entry.entry_id)) continue;
    ++plan.kinds[entry.kind];
    if (needs_tenant(entry.kind)) tenants.insert(entry.domain);
    plan.entries.push_back(std::move(entry));
  }
  plan.absent_tenants = postgres::read<std::string>(
      transaction,
      "SELECT d FROM unnest($1::text[]) AS d WHERE NOT EXISTS (SELECT FROM tenants t WHERE t.domain = d) ORDER BY d",
      pqxx::params{std::vector<std::string>{tenants.begin(), tenants.end()}});
  return plan;
}

void reapply(pqxx::transaction_base& transaction, ReapplyPlan const& plan, std::string_view actor) {
  for (auto const& entry : plan.entries)
    transaction.exec("SELECT pipeline.reapply_entry($1, $2, $3, $4, $5, $6)",
                     pqxx::params{to_string(entry.entry_id), entry.sequence, entry.domain, entry.kind, entry.facts.text,
                                  entry.recorded_at});
  transaction.exec("SELECT pipeline.end_reapply($1)", pqxx::params{actor});
}

std::vector<GdprDeletionRequested> open_erasures(pqxx::transaction_base& transaction) {
  std::vector<GdprDeletionRequested> requests;
  for (auto const& row : postgres::read<OpenErasure>(
           transaction,
           "SELECT id AS request_id, domain, subject_key, array_remove(identities, subject_key::text) AS identities, "
           "requested_by, COALESCE(reason, 'subject_request') AS reason FROM gdpr_requests WHERE reapplied AND status "
           "IN ('received', 'running', 'failed') ORDER BY created_at, id"))
    requests.push_back(
        {{row.request_id, row.domain, row.subject_key, row.identities, row.requested_by, row.reason, false}});
  return requests;
}

}  // namespace omnibus::ledger
