#include "workers/cli/matching/matching.hpp"

#include "postgres/rows.hpp"
#include "text/rules.hpp"
#include "time/time.hpp"
#include "workers/cli/terminal/terminal.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::cli {

void add_reading_options(CLI::App& command, MatchingOptions& options) {
  add_database_option(command, options.database);
  command.add_flag("--json", options.json, "As JSON");
}

void add_asking_options(CLI::App& command, MatchingOptions& options) {
  add_reading_options(command, options);
  add_cluster_options(command, options.cluster);
}

void add_list_options(CLI::App& command, MatchingOptions& options, std::vector<std::string> const& states) {
  command.add_option("--domain", options.domain, "Only this tenant");
  command.add_option("--limit", options.limit, "List at most this many")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  if (!states.empty())
    command.add_option("--status", options.status, "Only in this state")->check(CLI::IsMember(states));
}

std::string check_fraction(std::string const& text) {
  double number = -1;
  auto const* const end = text.data() + text.size();
  auto const [last, error] = std::from_chars(text.data(), end, number);
  auto const fits = error == std::errc{} && last == end && number >= 0 && number <= 1;  // which no NaN does
  return fits ? "" : "must be a number from 0 to 1";
}

std::string check_date(std::string const& text) {
  return rules::date("", text) ? "must be a date, as 2026-11-20" : "";
}

void run_on(CLI::App& command, std::function<void()> work) {
  command.callback([&command, work = std::move(work)] {
    if (command.remaining_size() > 0) throw CLI::ExtrasError(command.remaining());
    work();
  });
}

void read_matching(MatchingOptions const& options, std::function<void(pqxx::transaction_base&)> const& work) {
  auto const connection = connect(options.database);
  read_matching(*connection, work);
}

void read_matching(pqxx::connection& connection, std::function<void(pqxx::transaction_base&)> const& work) {
  pqxx::read_transaction transaction{connection};
  try {
    work(transaction);
  } catch (pqxx::insufficient_privilege const&) {
    throw std::runtime_error(
        "this role lacks the right: set DATABASE_URL or --database to the role omnibus_readonly or omnibus_operator");
  } catch (pqxx::undefined_table const&) {
    throw std::runtime_error("the database has no matches yet: run omnibus migrate up");
  }
}

Uuid read_id(std::string_view option, std::string const& text) {
  auto const id = parse_uuid(text);
  if (!id) throw std::runtime_error(fmt::format("{} must be a UUID: the command ls shows it", option));
  return *id;
}

std::optional<Uuid> read_id(std::string_view option, std::optional<std::string> const& text) {
  return text ? std::optional{read_id(option, *text)} : std::nullopt;
}

std::optional<std::int64_t> read_moment(std::string_view option, std::optional<std::string> const& text) {
  if (!text) return std::nullopt;
  auto const time = parse_time_or_date_ms(*text);
  if (!time) throw std::runtime_error(fmt::format("{} must be a time such as 2026-11-20T10:00:00Z, or a date", option));
  return time;
}

std::string find_tenant(pqxx::transaction_base& transaction, std::optional<std::string> const& given) {
  if (given) {
    if (transaction.exec("SELECT FROM tenants WHERE domain = $1", pqxx::params{*given}).empty())
      throw std::runtime_error(
          fmt::format("there is no tenant {}: omnibus tenant ls shows them", printable(*given, 200)));
    return *given;
  }
  auto const tenants = postgres::read<std::string>(
      transaction, "SELECT domain FROM tenants WHERE status = 'active' ORDER BY domain LIMIT 2");
  if (tenants.empty()) throw std::runtime_error("there is no tenant yet: add one with omnibus tenant add DOMAIN");
  if (tenants.size() > 1) throw std::runtime_error("there are several tenants: name one by --domain");
  return tenants.front();
}

void print_line(std::string_view name, std::string_view value) {
  if (!value.empty()) fmt::print("{:<20} {}\n", name, printable(value));
}

void print_if_known(std::string_view name, std::optional<std::string> const& value) {
  print_line(name, std::string_view{value ? *value : std::string_view{}});
}

std::string score_text(std::optional<double> score) {
  return score ? fmt::format("{:.2f}", *score) : "-";
}

}  // namespace omnibus::cli
