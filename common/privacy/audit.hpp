/// The audit of what was done about personal data, as the API and the tool show it.
#pragma once

#include "json/raw.hpp"
#include "privacy/requests.hpp"
#include "text/csv.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::privacy {

/// An entry. Ids, subject keys, kinds and counts; never a text, a number or a name.
struct ShownAuditEntry {
  Uuid id;
  std::string created_at, domain, actor, action, status;
  std::optional<std::string> subject_key;
  std::optional<Uuid> request_id;
  json::Raw payload;
};
BOOST_DESCRIBE_STRUCT(ShownAuditEntry, (),
                      (id, created_at, domain, actor, action, status, subject_key, request_id, payload))

/// Which entries; `from` is included, `to` is not. Both in ms since 1970.
struct AuditFilter {
  std::optional<std::string> domain, actor, action;
  std::optional<std::int64_t> from, to;
};

/// The entries that the transaction's role may see, newest first. @throws what libpqxx throws
ListPage<ShownAuditEntry> read_audit(pqxx::transaction_base& transaction, AuditFilter const& filter,
                                     std::optional<ListCursor> const& after, std::int64_t limit);

/// What there is to filter by, in the newest 10,000 entries.
struct AuditOptions {
  std::vector<std::string> domains, actors, actions;
};
BOOST_DESCRIBE_STRUCT(AuditOptions, (), (domains, actors, actions))
AuditOptions read_audit_options(pqxx::transaction_base& transaction, std::optional<std::string> const& domain);

/// An empty table with the columns of the audit, and a row of it.
CsvTable audit_table();
void add_entry(CsvTable& table, ShownAuditEntry const& entry);

}  // namespace omnibus::privacy
