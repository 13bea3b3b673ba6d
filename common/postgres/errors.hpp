/// Classifies failed database calls.
#pragma once

#include <exception>
#include <string_view>

namespace omnibus::postgres {

/// How to react to a failed database call.
enum class DatabaseError {
  outage,     ///< The database cannot serve any caller now (gone, locked): wait, and count no attempt.
  transient,  ///< This transaction lost a race (deadlock, serialization) or took too long: run it again soon.
  permanent,  ///< The same call will fail again: constraint, syntax, permission.
  in_doubt,   ///< The connection was lost during COMMIT, which may have succeeded. Admit the event again to find out.
};

/// Classifies an exception thrown by libpqxx, or by our own calls on top of it, as one of the four. An exception from
/// outside the database is permanent.
DatabaseError classify_database_error(std::exception const& error) noexcept;

/// Whether an exception comes from the database, and not from the work done between its calls.
bool is_database_error(std::exception const& error) noexcept;

/// Whether a statement took too long: because of what it does, or because the database is slow.
bool is_time_out(std::exception const& error) noexcept;

/// Whether an outage may be one event's alone: a lock on its row, a table or grant that only it needs, or its size.
bool may_concern_one_event(std::exception const& error) noexcept;

/// Classifies an SQLSTATE, five characters as in the PostgreSQL manual, appendix A.
DatabaseError classify_sqlstate(std::string_view sqlstate) noexcept;

/// The four in lower case, for logs and metrics.
std::string_view to_string(DatabaseError error) noexcept;

}  // namespace omnibus::postgres

namespace omnibus {
using postgres::classify_database_error;
using postgres::DatabaseError;
}  // namespace omnibus
