/// Whether the database is older than the ledger of erasures: then it would bring erased people and opt-outs back.
#pragma once

#include "concurrency/task.hpp"
#include "kafka/client_settings.hpp"
#include "postgres/pool.hpp"
#include "uuid/uuid.hpp"

#include <exception>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace pqxx {
class connection;
class transaction_base;
}  // namespace pqxx

namespace omnibus::ledger {

/// The database was restored from a backup, or another server that lags behind has taken over. No retry succeeds.
struct DatabaseIsOld : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Those of these entries that the database does not contain.
std::vector<Uuid> missing_entries(pqxx::transaction_base& transaction, std::span<Uuid const> entries);

/// One process's look at the age of its database. Entries are compared by id and not by number: a database that was
/// restored and went on gives numbers again that the ledger has. The database contains an entry before the topic does,
/// so one that is missing cannot be on its way. One thread at a time may use it.
class DatabaseAge {
 public:
  /// @param process a worker's name: while erasures are done again after a restore, only `gdpr` may run
  DatabaseAge(kafka::ClientSettings client, std::string_view process);

  /// The first time compares the database with the newest entries of the topic; then notices when an entry that was
  /// there is not any more. @throws DatabaseIsOld that names the command to run; kafka::Error and what libpqxx throws
  /// leave the question open.
  void check(pqxx::connection& connection);

 private:
  void compare(pqxx::transaction_base& transaction) const;

  kafka::ClientSettings const client_;
  bool const may_erase_;
  bool compared_ = false;
  std::optional<Uuid> tip_;
};

/// Checks each second, for ever. @throws DatabaseIsOld; other failures are logged.
Task<> watch(DatabaseAge& age, TransactionPool& pool);

/// Ends the process with status 1 when watch() has failed. At once: what is under way must not be committed to an older
/// database.
void leave(std::exception_ptr const& failed);

}  // namespace omnibus::ledger
