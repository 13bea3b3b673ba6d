/// How long each table keeps its rows, and who deletes the older ones: the list of all tables.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pqxx {
class transaction_base;
}  // namespace pqxx

namespace omnibus::retention {

/// Who deletes the old rows of a table.
enum class Pruner {
  gdpr,       ///< omnibus-gdpr, in a run of the table's task
  workers,    ///< every worker its own rows, some minutes apart
  operators,  ///< a command of an operator
  nobody,     ///< the table does not grow with time, or is kept for ever
};

/// One table.
struct KeptTable {
  std::string_view name;  ///< with its schema
  Pruner pruner = Pruner::nobody;
  /// What is kept, or why the table needs no pruner.
  std::string_view note{};
  /// Older rows are deleted. Absent where a tenant's retention_days or an operator decides.
  std::optional<std::chrono::milliseconds> age{};
  std::string_view time{};          ///< the column that tells a row's age
  std::string_view which = "true";  ///< the rows that the age concerns
};

/// Every table of the schemas `pipeline` and `public`, ordered by name. Partitions count as the table that has them.
/// @param longest_retention of any topic with a consumer
std::vector<KeptTable> kept_tables(std::chrono::milliseconds longest_retention);

/// How long a worker remembers what it has handled, while any of its topics keeps a record for this long.
std::chrono::milliseconds inbox_age(std::chrono::milliseconds longest_retention);

/// What a look at the tables' ages found.
struct Overdue {
  std::vector<std::string> tables;      ///< with rows that are older than their age and a day
  std::vector<std::string> unreadable;  ///< that the role may not read
};

/// Looks for rows that should have been deleted a day ago or earlier. Reads one row of each table at most.
Overdue find_overdue(pqxx::transaction_base& transaction, std::chrono::milliseconds longest_retention);

}  // namespace omnibus::retention
