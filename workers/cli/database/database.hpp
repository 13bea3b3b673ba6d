/// PostgreSQL options of the tool's commands.
#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace CLI {
class App;
}
namespace pqxx {
class connection;
class nontransaction;
}  // namespace pqxx

namespace omnibus::cli {

/// Adds `--database URL`, which DATABASE_URL sets, too.
void add_database_option(CLI::App& command, std::string& url);

/// The same for a command that needs the role omnibus_operator: OPERATOR_DATABASE_URL, if it is set, comes before
/// DATABASE_URL. So one environment serves commands that read, with a role that only reads, and those that act.
void add_operator_database_option(CLI::App& command, std::string& url);

/// No connection to the database can be made. Names the setting to change, without the password.
struct UnreachableDatabase : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Connects, without a time limit for statements.
/// @throws UnreachableDatabase, and std::runtime_error when no database is given.
std::unique_ptr<pqxx::connection> connect(std::string const& url);

/// Connects and runs a command's statements, each in a transaction of its own.
/// @param things what the command is about, in the plural; their table may not be there yet
/// @throws what connect() throws, and std::runtime_error that names what to change when the role lacks a right or the
/// table is missing.
void operate(std::string const& url, std::string_view things, std::function<void(pqxx::nontransaction&)> const& work);

/// The operator's name in records of actions: USER@HOST.
std::string actor();

}  // namespace omnibus::cli
