#include "matches/time_zones.hpp"

#include <pqxx/pqxx>

namespace omnibus::matches {

TimeZones::TimeZones(pqxx::transaction_base& transaction) {
  for (auto const& [name] : transaction.query<std::string>("SELECT name FROM pg_timezone_names"
                                                           " WHERE name !~ '^(posix|right)/'"
                                                           " AND name NOT IN ('localtime', 'posixrules', 'Factory')"))
    names_.insert(name);
}

}  // namespace omnibus::matches
