/// Schema migrations: files in dbmate's format, applied in order, once, under a lock.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace pqxx {
class connection;
}

namespace omnibus::postgres {

/// A migration that cannot be read or applied; names the file and line.
struct MigrationError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// One statement of a script and the line it begins on.
struct SqlStatement {
  std::string text;
  std::size_t line = 1;

  bool operator==(SqlStatement const&) const = default;
};

/// Splits a script at the semicolons that end statements: not those in quotes, dollar quotes, comments, parentheses or
/// the body of a function. Lines count from `first_line`. Semicolons and empty statements are left out.
std::vector<SqlStatement> split_sql(std::string_view script, std::size_t first_line = 1);

/// One direction of a migration.
struct MigrationBlock {
  std::vector<SqlStatement> statements;
  bool in_transaction = true;  ///< `transaction:false` in the file turns it off.
};

/// One file.
struct Migration {
  std::string version;  ///< The digits at the start of its name.
  std::string file;     ///< Its name, without folder.
  std::string sha256;   ///< Of its bytes, in hex.
  MigrationBlock up;
  MigrationBlock down;
};

/// Reads one file's text.
/// @throws MigrationError when it has no up block, or statements outside of the blocks.
Migration parse_migration(std::string file, std::string_view text);

/// Reads all files of a folder that are named `<digits>*.sql`, in the order of their versions.
/// @throws MigrationError also when two have the same version, or there is no such folder.
std::vector<Migration> load_migrations(std::filesystem::path const& folder);

/// `migrations` in the working directory if it exists, else that of the source tree this was built from.
std::filesystem::path default_migrations_folder();

/// The state of a migration in a database.
enum class MigrationState {
  pending,
  applied,
  changed,  ///< Applied, but the file has changed since.
  missing,  ///< Applied, but its file is missing.
};

/// A version and its state.
struct MigrationStatus {
  std::string version;
  std::string file;  ///< Empty when missing.
  MigrationState state = MigrationState::pending;
};

/// Applies migrations to one database. Applied ones are listed in dbmate's table, schema_migrations, so that either
/// tool can continue after the other; checksums are in a separate table. Migrators of the same database wait
/// for each other. The connection must outlive it and belong to a role that may create roles and schemas.
class Migrator {
 public:
  /// `report` is called with the file name as each migration ends.
  Migrator(pqxx::connection& connection, std::vector<Migration> migrations,
           std::function<void(std::string_view file)> report = {});

  /// Applies all pending migrations; returns how many.
  /// @throws MigrationError when one fails, or when an applied one has been changed since.
  std::size_t up();

  /// Reverts the `count` latest; returns how many were reverted.
  /// @throws MigrationError as up(), and when a file is missing.
  std::size_t down(std::size_t count);

  /// Every version known to the folder or the database, in order.
  std::vector<MigrationStatus> status();

 private:
  std::vector<MigrationStatus> read_status();
  void refuse_changed(std::vector<MigrationStatus> const& status) const;
  Migration const* find(std::string_view version) const;

  pqxx::connection& connection_;
  std::vector<Migration> migrations_;
  std::function<void(std::string_view)> report_;
};

}  // namespace omnibus::postgres
