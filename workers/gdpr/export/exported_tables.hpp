/// What the tables hold of a person, as an export shows it.
#pragma once

#include "privacy/person.hpp"
#include "workers/gdpr/export/other_people.hpp"

#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace pqxx {
class transaction_base;
}

namespace omnibus::gdpr {

/// A table, and the query of the person's rows: one column, JSON. It reads `subject`, which is one row with `domain`,
/// `keys`, `request_id` (the export itself), and arrays of ids: `profiles`, `conversations`, `users`, `customers`,
/// `matches`, `agent_conversations`, `calls`, `principals`.
struct ExportedTable {
  std::string_view name;
  std::string_view query;
};
std::span<ExportedTable const> exported_tables();

/// Where rows go.
struct TableVisitor {
  std::function<void(std::string_view table)> begin;
  std::function<void(std::string_view json)> row;
};

/// Reads all tables in the order above, some rows at a time. The transaction needs no rights but reading and temporary
/// tables; its time zone becomes UTC. @throws what libpqxx and the visitor throw
/// @param request of which the rows are left out
void visit_tables(pqxx::transaction_base& transaction, privacy::KnownPerson const& person, Uuid const& request,
                  TableVisitor const& visitor);

/// The people whom the person was matched with, or has blocked.
OtherPeople find_other_people(pqxx::transaction_base& transaction, privacy::KnownPerson const& person);

}  // namespace omnibus::gdpr
