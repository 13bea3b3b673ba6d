#include "privacy/audit.hpp"

#include "matches/json_column.hpp"
#include "postgres/rows.hpp"
#include "time/time.hpp"

#include <pqxx/pqxx>

namespace omnibus::privacy {
namespace {

std::vector<std::string> distinct(pqxx::transaction_base& transaction, std::string const& column,
                                  std::optional<std::string> const& domain) {
  return postgres::read<std::string>(transaction,
                                     "SELECT DISTINCT " + column + " FROM (SELECT " + column +
                                         " FROM gdpr_audit_log WHERE ($1::text IS NULL OR domain = $1)"
                                         " ORDER BY created_at DESC LIMIT 10000) AS newest ORDER BY 1",
                                     pqxx::params{domain});
}

std::optional<std::string> moment(std::optional<std::int64_t> ms) {
  return ms ? std::optional{format_time_ms(*ms)} : std::nullopt;
}

}  // namespace

ListPage<ShownAuditEntry> read_audit(pqxx::transaction_base& transaction, AuditFilter const& filter,
                                     std::optional<ListCursor> const& after, std::int64_t limit) {
  ListPage<ShownAuditEntry> page;
  page.items = postgres::read<ShownAuditEntry>(
      transaction,
      R"(SELECT id, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at,
           domain, actor, action, status, subject_key, request_id, payload
         FROM gdpr_audit_log a
         WHERE ($1::text IS NULL OR domain = $1) AND ($2::text IS NULL OR actor = $2)
           AND ($3::text IS NULL OR action = $3) AND ($4::timestamptz IS NULL OR a.created_at >= $4)
           AND ($5::timestamptz IS NULL OR a.created_at < $5)
           AND ($6::timestamptz IS NULL OR (a.created_at, a.id) < ($6, $7::uuid))
         ORDER BY a.created_at DESC, a.id DESC LIMIT $8)",
      pqxx::params{filter.domain, filter.actor, filter.action, moment(filter.from), moment(filter.to),
                   after ? std::optional{after->created_at} : std::nullopt,
                   after ? std::optional{to_string(after->id)} : std::nullopt, limit + 1});
  if (std::ssize(page.items) > limit) {
    page.items.pop_back();
    page.next = ListCursor{page.items.back().created_at, page.items.back().id};
  }
  return page;
}

AuditOptions read_audit_options(pqxx::transaction_base& transaction, std::optional<std::string> const& domain) {
  return {distinct(transaction, "domain", domain), distinct(transaction, "actor", domain),
          distinct(transaction, "action", domain)};
}

CsvTable audit_table() {
  return CsvTable{{{"created_at", CsvType::time},
                   {"domain"},
                   {"actor"},
                   {"action"},
                   {"status"},
                   {"subject_key"},
                   {"request_id"},
                   {"payload"},
                   {"id"}}};
}

void add_entry(CsvTable& table, ShownAuditEntry const& entry) {
  table.add({entry.created_at, entry.domain, entry.actor, entry.action, entry.status, entry.subject_key,
             entry.request_id ? std::optional{to_string(*entry.request_id)} : std::nullopt, entry.payload.text,
             to_string(entry.id)});
}

}  // namespace omnibus::privacy
