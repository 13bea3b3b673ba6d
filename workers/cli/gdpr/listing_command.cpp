#include "json/encode.hpp"
#include "privacy/audit.hpp"
#include "privacy/requests.hpp"
#include "workers/cli/database/database.hpp"
#include "workers/cli/gdpr/gdpr_commands.hpp"
#include "workers/cli/gdpr/privacy.hpp"
#include "workers/cli/matching/matching.hpp"
#include "workers/cli/terminal/terminal.hpp"

#include <memory>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

struct RequestListing {
  std::vector<privacy::ShownRequest> requests;
};
BOOST_DESCRIBE_STRUCT(RequestListing, (), (requests))

struct AuditListing {
  std::vector<privacy::ShownAuditEntry> entries;
};
BOOST_DESCRIBE_STRUCT(AuditListing, (), (entries))

std::string outcome_of(privacy::ShownRequest const& request) {
  if (request.error) return *request.error;
  if (request.held_until) return "held until " + *request.held_until;
  if (request.dry_run) return "dry run";
  if (request.found_nothing.value_or(false)) return "nothing found";
  if (request.log_cleared_at) return "log clear since " + *request.log_cleared_at;
  if (request.log_clear_at) return "log to be clear by " + *request.log_clear_at;
  return "";
}

void list_requests(PrivacyOptions const& options) {
  with_privacy(options, [&](pqxx::transaction_base& transaction) {
    auto const found = privacy::read_requests(transaction, {options.domain, options.status, options.kind, std::nullopt},
                                              std::nullopt, options.limit)
                           .items;
    if (options.json) return fmt::print("{}\n", json::encode(RequestListing{found}));
    Table table{{"ID", "KIND", "STATUS", "TENANT", "PERSON", "ASKED", "OUTCOME"}};
    for (auto const& each : found)
      table.add({to_string(each.id), each.kind, each.status, each.domain, each.subject_key, each.created_at,
                 outcome_of(each)});
    fmt::print("{}", table.text());
  });
}

/// All entries that the options choose, a page at a time.
void print_csv(pqxx::transaction_base& transaction, privacy::AuditFilter const& filter) {
  constexpr std::int64_t rows_at_once = 2'000;
  auto table = privacy::audit_table();
  for (std::optional<privacy::ListCursor> after;;) {
    auto const page = read_audit(transaction, filter, after, rows_at_once);
    for (auto const& entry : page.items) add_entry(table, entry);
    fmt::print("{}", table.take());
    if (!page.next) return;
    after = page.next;
  }
}

void list_audit(PrivacyOptions const& options) {
  privacy::AuditFilter const filter{options.domain, options.actor, options.action, read_moment("--from", options.from),
                                    read_moment("--to", options.to)};
  with_privacy(options, [&](pqxx::transaction_base& transaction) {
    if (options.csv) return print_csv(transaction, filter);
    auto const found = read_audit(transaction, filter, std::nullopt, options.limit).items;
    if (options.json) return fmt::print("{}\n", json::encode(AuditListing{found}));
    Table table{{"AT", "TENANT", "ACTOR", "ACTION", "STATUS", "PERSON", "REQUEST", "DETAIL"}};
    for (auto const& each : found)
      table.add({each.created_at, each.domain, each.actor, each.action, each.status, each.subject_key.value_or("-"),
                 each.request_id ? to_string(*each.request_id) : "-", each.payload.text});
    fmt::print("{}", table.text());
  });
}

CLI::App* add_listing(CLI::App& gdpr, char const* name, char const* help, PrivacyOptions& options) {
  auto* const command = gdpr.add_subcommand(name, help);
  add_database_option(*command, options.database);
  command->add_option("--domain", options.domain, "Only this tenant");
  command->add_option("--limit", options.limit, "List at most this many")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  command->add_flag("--json", options.json, "As JSON");
  return command;
}

}  // namespace

void add_listing_commands(CLI::App& gdpr) {
  auto const asked = std::make_shared<PrivacyOptions>();
  auto* const requests = add_listing(gdpr, "requests", "List exports and deletions, the newest first", *asked);
  requests->add_option("--status", asked->status, "Only in this state")
      ->check(CLI::IsMember({"received", "held", "running", "completed", "failed"}));
  requests->add_option("--kind", asked->kind, "Only of this kind")->check(CLI::IsMember({"export", "delete"}));
  run_on(*requests, [asked] { list_requests(*asked); });

  auto const audited = std::make_shared<PrivacyOptions>();
  auto* const audit = add_listing(gdpr, "audit", "List what was done about personal data, the newest first", *audited);
  audit->add_option("--from", audited->from, "From this time or date on");
  audit->add_option("--to", audited->to, "Before this time or date");
  audit->add_option("--actor", audited->actor, "Only of this principal, or worker:NAME");
  audit->add_option("--action", audited->action, "Only this action, such as erasure.completed");
  audit->add_flag("--csv", audited->csv, "All entries as CSV (RFC 4180); texts that begin a formula get an apostrophe");
  run_on(*audit, [audited] { list_audit(*audited); });
}

}  // namespace omnibus::cli
