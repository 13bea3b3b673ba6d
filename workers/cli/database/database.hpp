/// How the tool's commands reach PostgreSQL.
#pragma once

#include <memory>
#include <string>

namespace CLI {
class App;
}
namespace pqxx {
class connection;
}

namespace omnibus::cli {

/// Adds `--database URL`, which DATABASE_URL sets as well.
void add_database_option(CLI::App& command, std::string& url);

/// Connects, without a time limit for statements.
/// @throws std::runtime_error that names the setting to change, and not the password.
std::unique_ptr<pqxx::connection> connect(std::string const& url);

/// Who acts, for what is written down of it: USER@HOST.
std::string actor();

}  // namespace omnibus::cli
