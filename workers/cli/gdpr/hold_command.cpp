#include "json/encode.hpp"
#include "postgres/rows.hpp"
#include "time/time.hpp"
#include "workers/cli/database/database.hpp"
#include "workers/cli/gdpr/audited_opener.hpp"
#include "workers/cli/gdpr/gdpr_commands.hpp"
#include "workers/cli/gdpr/privacy.hpp"
#include "workers/cli/matching/matching.hpp"
#include "workers/cli/terminal/terminal.hpp"

#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

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

bool names_somebody(privacy::NamedIdentity const& identity) {
  return identity.phone_number || identity.whatsapp_user_id || identity.session_id || identity.user_id ||
         identity.customer_id;
}

/// All keys by which a person's rows may be found, their own first. Each is a row of legal_holds, all of one time.
std::vector<std::optional<std::string>> keys_to_hold(pqxx::transaction_base& transaction, std::string const& domain,
                                                     privacy::NamedSubject const& subject) {
  std::set<std::string> found;
  for (auto const& each : subject.aliases) found.insert(each.text());
  if (subject.sender)
    for (auto const& id :
         postgres::read<Uuid>(transaction, "SELECT profiles_of_sender($1, $2)", pqxx::params{domain, *subject.sender}))
      found.insert(alias(id).text());
  found.insert(subject.key.text());
  auto const customer = subject.customer_id ? std::optional{to_string(*subject.customer_id)} : std::nullopt;
  for (auto const& key : postgres::read<std::string>(
           transaction, "SELECT linked_keys($1, $2::uuid, $3::text[])",
           pqxx::params{domain, customer, std::vector<std::string>{found.begin(), found.end()}}))
    found.insert(key);
  found.erase(subject.key.text());
  std::vector<std::optional<std::string>> keys{subject.key.text()};
  keys.insert(keys.end(), found.begin(), found.end());
  return keys;
}

/// Who the audit rows of this transaction name.
void name_actor(pqxx::transaction_base& transaction) {
  transaction.exec("SELECT set_config('omnibus.actor', $1, true)", pqxx::params{audit_actor()});
}

void add_hold(PrivacyOptions const& options) {
  auto const until = read_moment("--until", options.until);
  if (until && *until <= wall_clock_ms()) throw std::runtime_error("--until must be in the future");
  if (options.all && names_somebody(options.identity))
    throw std::runtime_error("give either --all or a person: a hold on everybody outlasts one on a person");
  with_privacy(options, [&](pqxx::transaction_base& transaction) {
    name_actor(transaction);
    auto const domain = find_tenant(transaction, options.domain);
    auto keys = options.all
                    ? std::vector<std::optional<std::string>>{std::nullopt}
                    : keys_to_hold(transaction, domain, name_subject(subject_rules(options, domain), options.identity));
    auto holds = postgres::read<ShownHold>(transaction,
                                           "INSERT INTO legal_holds (domain, subject_key, until) SELECT $1, k,"
                                           " to_timestamp($3::bigint / 1000.0) FROM unnest($2::text[]) AS k RETURNING" +
                                               std::string{hold_columns},
                                           pqxx::params{domain, std::move(keys), until});
    holds.resize(1);
    print_holds(options, holds);
  });
}

void list_holds(PrivacyOptions const& options) {
  with_privacy(options, [&](pqxx::transaction_base& transaction) {
    print_holds(options,
                postgres::read<ShownHold>(
                    transaction,
                    "SELECT DISTINCT ON (h.created_at, h.domain)" + std::string{hold_columns} +
                        " FROM legal_holds h WHERE released_at IS NULL AND (h.until IS NULL OR h.until > now())"
                        " AND ($1::text IS NULL OR domain = $1) ORDER BY h.created_at, h.domain, id",
                    pqxx::params{options.domain}));
  });
}

void remove_hold(PrivacyOptions const& options) {
  auto const id = read_id("the id", options.id);
  with_privacy(options, [&](pqxx::transaction_base& transaction) {
    name_actor(transaction);
    auto removed = postgres::read<ShownHold>(
        transaction,
        "UPDATE legal_holds SET released_at = now() WHERE released_at IS NULL AND (domain, created_at) ="
        " (SELECT n.domain, n.created_at FROM legal_holds n WHERE n.id = $1::uuid) RETURNING" +
            std::string{hold_columns},
        pqxx::params{to_string(id)});
    if (removed.empty()) throw std::runtime_error("there is no such hold: omnibus gdpr hold ls shows them");
    removed.resize(1);
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
