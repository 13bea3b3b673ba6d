#include "workers/cli/database/database.hpp"

#include "postgres/pool.hpp"

#include <cstdlib>
#include <stdexcept>

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <pqxx/pqxx>
#include <unistd.h>

namespace omnibus::cli {

void add_database_option(CLI::App& command, std::string& url) {
  command.add_option("--database", url, "PostgreSQL URL")->envname("DATABASE_URL");
}

void add_operator_database_option(CLI::App& command, std::string& url) {
  if (auto const* const reading = std::getenv("DATABASE_URL")) url = reading;
  command.add_option("--database", url, "PostgreSQL URL of the role omnibus_operator; default: DATABASE_URL")
      ->envname("OPERATOR_DATABASE_URL");
}

std::unique_ptr<pqxx::connection> connect(std::string const& url) {
  if (url.empty()) throw std::runtime_error("no database given: set DATABASE_URL or --database");
  postgres::PoolSettings settings;
  settings.url = url;
  settings.application_name = "omnibus-cli";
  settings.statement_timeout_ms = 0;
  settings.idle_in_transaction_timeout_ms = 0;
  try {
    return postgres::connect(settings);
  } catch (pqxx::broken_connection const& error) {
    std::string message = error.what();
    while (message.ends_with('\n')) message.pop_back();
    throw UnreachableDatabase(fmt::format("{}; check DATABASE_URL or --database", message));
  }
}

void operate(std::string const& url, std::string_view things, std::function<void(pqxx::nontransaction&)> const& work) {
  auto const connection = connect(url);
  pqxx::nontransaction query{*connection};
  try {
    work(query);
  } catch (pqxx::insufficient_privilege const&) {
    throw std::runtime_error(
        "this role lacks the right: set OPERATOR_DATABASE_URL or --database to the role omnibus_operator");
  } catch (pqxx::undefined_table const&) {
    throw std::runtime_error(fmt::format("the database has no {} yet: run omnibus migrate up", things));
  }
}

std::string actor() {
  char host[256] = "unknown";
  gethostname(host, sizeof host - 1);
  auto const* const user = std::getenv("USER");
  return fmt::format("{}@{}", user != nullptr ? std::string{user} : fmt::format("uid {}", getuid()), host);
}

}  // namespace omnibus::cli
