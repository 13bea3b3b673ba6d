#include "postgres/errors.hpp"

#include "postgres/pool.hpp"

#include <new>

#include <pqxx/except>

namespace omnibus::postgres {
namespace {

/// Empty if the database did not fail.
std::string_view sqlstate_of(std::exception const& error) noexcept {
  if (dynamic_cast<pqxx::insufficient_privilege const*>(&error) != nullptr) {
    // libpqxx leaves it out. A row that a policy refuses has the same one, but is not refused for a missing grant.
    auto const by_policy = std::string_view{error.what()}.find("row-level security") != std::string_view::npos;
    return by_policy ? "" : "42501";
  }
  auto const* const sql = dynamic_cast<pqxx::sql_error const*>(&error);
  return sql != nullptr ? std::string_view{sql->sqlstate()} : std::string_view{};
}

/// A table, column, function, schema or grant is missing.
bool is_missing(std::string_view sqlstate) noexcept {
  return sqlstate == "42P01" || sqlstate == "42703" || sqlstate == "42883" || sqlstate == "42501" ||
         sqlstate == "3F000";
}

}  // namespace

DatabaseError classify_sqlstate(std::string_view sqlstate) noexcept {
  if (sqlstate.size() != 5) return DatabaseError::permanent;
  auto const starts = [sqlstate](std::string_view prefix) { return sqlstate.substr(0, prefix.size()) == prefix; };
  if (starts("08") || starts("53") || starts("57P0") || starts("58")) return DatabaseError::outage;
  // 40003: the server itself does not know whether the statement completed.
  if (sqlstate == "40003") return DatabaseError::in_doubt;
  // 25006: connected to a standby; 55P03: another session holds a lock, such as for DDL. The event is not the cause.
  if (sqlstate == "25006" || sqlstate == "55P03") return DatabaseError::outage;
  // 57014: the statement took too long, but not for a lock (see PoolSettings): the event may be the cause; it counts.
  // 25P03: idle in transaction for too long.
  if (starts("40") || sqlstate == "57014" || sqlstate == "25P03") return DatabaseError::transient;
  // 28: wrong password or no such role, 3D000: no such database. Wrong configuration affects every event.
  if (starts("28") || sqlstate == "3D000") return DatabaseError::outage;
  // A migration was not applied; the event is not the cause.
  if (is_missing(sqlstate)) return DatabaseError::outage;
  return DatabaseError::permanent;
}

DatabaseError classify_database_error(std::exception const& error) noexcept {
  if (dynamic_cast<pqxx::in_doubt_error const*>(&error) != nullptr) return DatabaseError::in_doubt;
  if (dynamic_cast<pqxx::statement_completion_unknown const*>(&error) != nullptr) return DatabaseError::in_doubt;
  if (dynamic_cast<pqxx::protocol_violation const*>(&error) != nullptr) return DatabaseError::permanent;
  if (dynamic_cast<pqxx::broken_connection const*>(&error) != nullptr) return DatabaseError::outage;
  if (dynamic_cast<pqxx::transaction_rollback const*>(&error) != nullptr) return DatabaseError::transient;
  if (dynamic_cast<pqxx::sql_error const*>(&error) != nullptr) return classify_sqlstate(sqlstate_of(error));
  if (dynamic_cast<PoolUnavailable const*>(&error) != nullptr) return DatabaseError::transient;
  return DatabaseError::permanent;
}

bool is_database_error(std::exception const& error) noexcept {
  return dynamic_cast<pqxx::failure const*>(&error) != nullptr ||
         dynamic_cast<PoolUnavailable const*>(&error) != nullptr;
}

bool is_time_out(std::exception const& error) noexcept {
  return sqlstate_of(error) == "57014";
}

bool may_concern_one_event(std::exception const& error) noexcept {
  auto const sqlstate = sqlstate_of(error);
  return sqlstate == "55P03" || is_missing(sqlstate) || dynamic_cast<std::bad_alloc const*>(&error) != nullptr;
}

std::string_view to_string(DatabaseError error) noexcept {
  switch (error) {
    case DatabaseError::outage:
      return "outage";
    case DatabaseError::transient:
      return "transient";
    case DatabaseError::permanent:
      return "permanent";
    case DatabaseError::in_doubt:
      return "in_doubt";
  }
  return "permanent";
}

}  // namespace omnibus::postgres
