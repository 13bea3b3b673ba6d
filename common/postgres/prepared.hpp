/// Statements that a connection plans once.
#pragma once

#include <string_view>

#include <pqxx/pqxx>

namespace omnibus::postgres {

/// A statement that is prepared on a connection when it is first used there: planning it each time would take longer
/// than running it. Declare one as a constant of the source that uses it; names differ within a process.
struct Prepared {
  char const* name;
  char const* sql;
};

/// Runs it. Only outside a transaction: whether the connection knows the statement is found out by running it, and a
/// failure would end a transaction. @throws what libpqxx throws.
inline pqxx::result run_prepared(pqxx::nontransaction& query, Prepared const& statement, pqxx::params const& params) {
  pqxx::prepped const name{statement.name};
  try {
    return query.exec(name, params);
  } catch (pqxx::invalid_sql_statement_name const&) {
    query.conn().prepare(statement.name, statement.sql);
    return query.exec(name, params);
  }
}

}  // namespace omnibus::postgres
