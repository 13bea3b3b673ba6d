#include "json/encode.hpp"
#include "postgres/rows.hpp"
#include "workers/cli/database/database.hpp"
#include "workers/cli/gdpr/audited_opener.hpp"
#include "workers/cli/gdpr/gdpr_commands.hpp"
#include "workers/cli/gdpr/privacy.hpp"
#include "workers/cli/matching/matching.hpp"
#include "workers/cli/terminal/terminal.hpp"

#include <memory>
#include <optional>
#include <stdexcept>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

/// A row of legal_holds, with its times in RFC 3339.
struct ShownHold {
  Uuid id;
  std::string domain;
  std::optional<std::string> subject_key, until;
  std::string created_at;
};
BOOST_DESCRIBE_STRUCT(ShownHold, (), (id, domain, subject_key, until, created_at))

struct HoldListing {
  std::vector<ShownHold> holds;
};
BOOST_DESCRIBE_STRUCT(HoldListing, (), (holds))

constexpr char const* hold_columns =
    " id, domain, subject_key, to_char(until AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS until,"
    " to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS created_at";

void print_holds(PrivacyOptions const& options, std::vector<ShownHold> const& holds) {
  if (options.json) return fmt::print("{}\n", json::encode(HoldListing{holds}));
  Table table{{"ID", "TENANT", "PERSON", "UNTIL", "SINCE"}};
  for (auto const& each : holds)
    table.add({to_string(each.id), each.domain, each.subject_key.value_or("everybody"), each.until.value_or("removed"),
               each.created_at});
  fmt::print("{}", table.text());
}

/// Who the audit rows of this transaction name.
void name_actor(pqxx::transaction_base& transaction) {
  transaction.exec("SELECT set_config('omnibus.actor', $1, true)", pqxx::params{audit_actor()});
}

void add_hold(PrivacyOptions const& options) {
  auto const until = read_moment("--until", options.until);
  with_privacy(options, [&](pqxx::transaction_base& transaction) {
    name_actor(transaction);
    auto const domain = find_tenant(transaction, options.domain);
    std::optional<std::string> key;
    if (!options.all) key = name_subject(subject_rules(options, domain), options.identity).key.text();
    print_holds(options,
                postgres::read<ShownHold>(transaction,
                                          "INSERT INTO legal_holds (domain, subject_key, until) VALUES ($1, $2,"
                                          " to_timestamp($3::bigint / 1000.0)) RETURNING" +
                                              std::string{hold_columns},
                                          pqxx::params{domain, key, until}));
  });
}

void list_holds(PrivacyOptions const& options) {
  with_privacy(options, [&](pqxx::transaction_base& transaction) {
    print_holds(options,
                postgres::read<ShownHold>(
                    transaction,
                    "SELECT" + std::string{hold_columns} +
                        " FROM legal_holds h WHERE released_at IS NULL AND (h.until IS NULL OR h.until > now())"
                        " AND ($1::text IS NULL OR domain = $1) ORDER BY h.created_at, id",
                    pqxx::params{options.domain}));
  });
}

void remove_hold(PrivacyOptions const& options) {
  auto const id = read_id("the id", options.id);
  with_privacy(options, [&](pqxx::transaction_base& transaction) {
    name_actor(transaction);
    auto const removed = postgres::read<ShownHold>(
        transaction,
        "UPDATE legal_holds SET released_at = now() WHERE id = $1::uuid AND released_at IS NULL RETURNING" +
            std::string{hold_columns},
        pqxx::params{to_string(id)});
    if (removed.empty()) throw std::runtime_error("there is no such hold: omnibus gdpr hold ls shows them");
    print_holds(options, removed);
  });
}

}  // namespace

void add_hold_command(CLI::App& gdpr) {
  auto const options = std::make_shared<PrivacyOptions>();
  auto* const hold = gdpr.add_subcommand("hold", "Legal holds: what no deletion, retention or pruning may take");
  hold->require_subcommand(1);
  auto const add = [&](char const* name, char const* help) {
    auto* const command = hold->add_subcommand(name, help);
    add_database_option(*command, options->database);
    command->add_flag("--json", options->json, "As JSON");
    return command;
  };
  auto* const adding = add("add", "Hold a person's data, or with --all everything of the tenant; needs the role admin");
  add_identity_options(*adding, *options);
  adding->add_option("--domain", options->domain, "The tenant; not needed when there is one");
  adding->add_option("--until", options->until, "A time or date; without it until the hold is removed");
  adding->add_flag("--all", options->all, "Everybody of the tenant");
  run_on(*adding, [options] { add_hold(*options); });
  auto* const listing = add("ls", "List the holds in force");
  listing->add_option("--domain", options->domain, "Only this tenant");
  run_on(*listing, [options] { list_holds(*options); });
  auto* const removing = add("rm", "End a hold: deletions that it refused run then; needs the role admin");
  removing->add_option("id", options->id, "The hold, as ls shows it")->required();
  run_on(*removing, [options] { remove_hold(*options); });
}

}  // namespace omnibus::cli
