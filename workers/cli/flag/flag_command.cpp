#include "flags/feature_flag.hpp"
#include "json/encode.hpp"
#include "postgres/rows.hpp"
#include "workers/cli/commands.hpp"
#include "workers/cli/database/database.hpp"
#include "workers/cli/terminal/terminal.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/describe/class.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

struct FlagOptions {
  std::string database, domain, name;
  std::optional<double> percent;
  std::optional<bool> enabled;
  std::vector<std::string> subjects;
  bool no_subjects = false, json = false;
};

/// A row of feature_flags.
struct ShownFlag {
  std::string domain, name;
  bool enabled = true;
  std::string percent;  ///< a decimal
  std::vector<std::string> subjects;
};
BOOST_DESCRIBE_STRUCT(ShownFlag, (), (domain, name, enabled, percent, subjects))

struct FlagListing {
  std::vector<ShownFlag> flags;
};
BOOST_DESCRIBE_STRUCT(FlagListing, (), (flags))

/// Empty when the text is a percentage of at most two decimals.
std::string check_percent(std::string const& text) {
  auto error = CLI::Range(0.0, 100.0)(text);
  if (!error.empty()) return error;
  auto const hundredths = std::stod(text) * 100;
  return std::abs(hundredths - std::round(hundredths)) < 1e-6 ? "" : text + " has more than two decimals";
}

void list_flags(FlagOptions const& options) {
  operate(options.database, "feature flags", [&](pqxx::nontransaction& query) {
    auto const found = postgres::read<ShownFlag>(
        query, "SELECT domain, name, enabled, percent::text, subjects FROM feature_flags ORDER BY domain, name");
    if (options.json) return fmt::print("{}\n", json::encode(FlagListing{found}));
    Table table{{"TENANT", "FLAG", "STATE", "PERCENT", "SUBJECTS"}};
    for (auto const& each : found)
      table.add({each.domain, each.name, each.enabled ? "enabled" : "disabled", each.percent,
                 std::to_string(each.subjects.size())});
    fmt::print("{}", table.text());
  });
}

/// Sets what was given. @throws std::runtime_error if there is no such tenant.
ShownFlag store_flag(pqxx::nontransaction& query, FlagOptions const& options) {
  auto const percent = options.percent ? std::optional{fmt::format("{:.2f}", *options.percent)} : std::nullopt;
  auto const subjects =
      options.no_subjects || !options.subjects.empty() ? std::optional{options.subjects} : std::nullopt;
  try {
    return postgres::read_one<ShownFlag>(
        query,
        "INSERT INTO feature_flags AS f (domain, name, enabled, percent, subjects) VALUES ($1, $2, COALESCE($3, true), "
        "COALESCE($4::numeric, 100), COALESCE($5::text[], '{}')) ON CONFLICT (domain, name) DO UPDATE SET "
        "enabled = COALESCE($3, f.enabled), percent = COALESCE($4::numeric, f.percent), "
        "subjects = COALESCE($5::text[], f.subjects) RETURNING domain, name, enabled, percent::text, subjects",
        pqxx::params{options.domain, options.name, options.enabled, percent, subjects});
  } catch (pqxx::foreign_key_violation const&) {
    throw std::runtime_error("there is no tenant " + printable(options.domain, 200) + ": omnibus tenant ls shows them");
  }
}

void set_flag(FlagOptions const& options) {
  operate(options.database, "feature flags", [&](pqxx::nontransaction& query) {
    auto const flag = store_flag(query, options);
    if (options.json) return fmt::print("{}\n", json::encode(flag));
    fmt::print("{} {} {} percent={} subjects={}\n", flag.domain, flag.name, flag.enabled ? "enabled" : "disabled",
               flag.percent, fmt::join(flag.subjects, ","));
  });
}

}  // namespace

void add_flag_command(CLI::App& application, int&) {
  auto const options = std::make_shared<FlagOptions>();
  auto* command = application.add_subcommand("flag", "Turn a feature on for a share of a tenant's subjects");
  command->require_subcommand(1);

  auto* list = command->add_subcommand("ls", "List flags; a feature without one is on for everybody");
  add_database_option(*list, options->database);
  list->add_flag("--json", options->json, "As JSON");
  list->callback([options] { list_flags(*options); });

  auto* set = command->add_subcommand("set", "Set a tenant's flag, and show it. Needs the role operator");
  add_operator_database_option(*set, options->database);
  set->add_option("domain", options->domain, "The tenant")->required();
  set->add_option("name", options->name, "omniscient_matching: the pairs that a batch may request")
      ->required()
      ->check(CLI::IsMember(std::vector<std::string>(flags::known_flags.begin(), flags::known_flags.end())));
  set->add_option("--percent", options->percent, "On for this share; whoever is in it is in each larger one")
      ->check(check_percent);
  set->add_flag_function(
      "--on,!--off", [options](std::int64_t count) { options->enabled = count > 0; }, "Off: on for nobody");
  auto* subjects = set->add_option("--subject", options->subjects,
                                   "On for this one whatever the share, instead of those listed before; a pair is "
                                   "MIN:MAX, its ids");
  set->add_flag("--no-subjects", options->no_subjects, "List no subjects")->excludes(subjects);
  set->add_flag("--json", options->json, "As JSON");
  set->callback([set, options] {
    if (set->remaining_size() > 0) throw CLI::ExtrasError(set->remaining());
    set_flag(*options);
  });
}

}  // namespace omnibus::cli
