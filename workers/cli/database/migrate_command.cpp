#include "postgres/migrations.hpp"
#include "workers/cli/commands.hpp"
#include "workers/cli/database/database.hpp"

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

constexpr int changed = 1;

struct MigrateOptions {
  std::string database;
  std::string folder;
  std::size_t count = 1;

  std::vector<postgres::Migration> migrations() const {
    return postgres::load_migrations(folder.empty() ? postgres::default_migrations_folder()
                                                    : std::filesystem::path{folder});
  }
};

void up(MigrateOptions const& options) {
  auto const connection = connect(options.database);
  auto const migrations = options.migrations();
  postgres::Migrator migrator{*connection, migrations, [](std::string_view file) { fmt::print("applied {}\n", file); }};
  auto const applied = migrator.up();
  fmt::print("{} applied, {} in all\n", applied, migrations.size());
}

void down(MigrateOptions const& options) {
  auto const connection = connect(options.database);
  postgres::Migrator migrator{*connection, options.migrations(),
                              [](std::string_view file) { fmt::print("undone {}\n", file); }};
  fmt::print("{} undone\n", migrator.down(options.count));
}

std::string_view word_for(postgres::MigrationState state) {
  switch (state) {
    case postgres::MigrationState::pending:
      return "pending";
    case postgres::MigrationState::applied:
      return "applied";
    case postgres::MigrationState::changed:
      return "changed";
    case postgres::MigrationState::missing:
      return "missing";
  }
  return "";
}

/// 1 when the database and the files disagree about what is applied.
int status(MigrateOptions const& options) {
  auto const connection = connect(options.database);
  int exit_code = 0;
  for (auto const& [version, file, state] : postgres::Migrator{*connection, options.migrations()}.status()) {
    fmt::print("{} {}\n", word_for(state), file.empty() ? version : file);
    if (state == postgres::MigrationState::changed || state == postgres::MigrationState::missing) exit_code = changed;
  }
  return exit_code;
}

}  // namespace

void add_migrate_command(CLI::App& application, int& exit_code) {
  auto* command =
      application.add_subcommand("migrate", "Update a database's schema by the files in migrations/ (dbmate's format)");
  command->require_subcommand(1);
  command->footer("The role must be allowed to create roles and schemas: a superuser, or an owner with CREATEROLE.");
  auto const options = std::make_shared<MigrateOptions>();
  auto const add = [&](char const* name, char const* help) {
    auto* subcommand = command->add_subcommand(name, help);
    add_database_option(*subcommand, options->database);
    subcommand->add_option("--dir", options->folder,
                           "The folder of migrations; by default ./migrations, or that of the source");
    return subcommand;
  };
  add("up", "Apply all pending migrations")->callback([options] { up(*options); });
  auto* undo = add("down", "Revert the latest migrations");
  undo->add_option("count", options->count, "How many")->capture_default_str()->check(CLI::PositiveNumber);
  undo->callback([options] { down(*options); });
  add("status", "List migrations as applied, pending, changed or missing; exit code 1 for the last two")
      ->callback([options, &exit_code] { exit_code = status(*options); });
}

}  // namespace omnibus::cli
