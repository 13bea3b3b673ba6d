#include "json/encode.hpp"
#include "ledger/reapply.hpp"
#include "workers/cli/database/database.hpp"
#include "workers/cli/gdpr/audited_opener.hpp"
#include "workers/cli/gdpr/gdpr_commands.hpp"
#include "workers/cli/gdpr/privacy.hpp"
#include "workers/cli/matching/matching.hpp"
#include "workers/cli/terminal/terminal.hpp"

#include <memory>
#include <stdexcept>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

/// How many entries about one table the database had forgotten.
struct ReappliedKind {
  std::string table;
  std::int64_t entries = 0;
};
BOOST_DESCRIBE_STRUCT(ReappliedKind, (), (table, entries))

struct ReapplyReport {
  std::int64_t ledger = 0;      ///< entries in the topic
  std::int64_t unreadable = 0;  ///< records there that are no entries
  std::vector<ReappliedKind> forgotten;
  std::vector<std::string> absent_tenants;
  bool reapplied = false;
  std::int64_t erasures = 0;  ///< asked for again
};
BOOST_DESCRIBE_STRUCT(ReapplyReport, (), (ledger, unreadable, forgotten, absent_tenants, reapplied, erasures))

ledger::LedgerRead read_whole_ledger(PrivacyOptions const& options) {
  auto read = ledger::read_ledger(options.cluster.settings(), 0);
  if (!read.found)
    throw std::runtime_error(
        fmt::format("the cluster has no topic {}: set KAFKA_BROKERS or --brokers to the one that the workers used",
                    ledger::ledger_topic));
  return read;
}

void publish_erasures(PrivacyOptions const& options, ReapplyReport& report) {
  std::vector<GdprDeletionRequested> open;
  with_privacy(options, [&](pqxx::transaction_base& transaction) { open = ledger::open_erasures(transaction); });
  EventPublisher publisher{options.cluster};
  for (auto const& request : open)
    publisher.publish({GdprDeletionRequested::type, json::encode(request), request.subject_key});
  publisher.finish();
  report.erasures = static_cast<std::int64_t>(open.size());
}

void print_report(PrivacyOptions const& options, ReapplyReport const& report) {
  if (options.json) return fmt::print("{}\n", json::encode(report));
  fmt::print("the ledger has {} entries\n", report.ledger);
  if (report.unreadable > 0) fmt::print("{} records in it are no entries, and were left out\n", report.unreadable);
  if (report.forgotten.empty()) fmt::print("the database contains all of them\n");
  if (!report.forgotten.empty()) {
    Table table{{"TABLE", options.dry_run ? "FORGOTTEN" : "DONE AGAIN"}};
    for (auto const& each : report.forgotten) table.add({each.table, std::to_string(each.entries)});
    fmt::print("{}", table.text());
  }
  if (!report.absent_tenants.empty())
    fmt::print("add these tenants first, with omnibus tenant add: {}\n", fmt::join(report.absent_tenants, ", "));
  if (options.dry_run) return;
  if (report.erasures > 0)
    fmt::print(
        "{} erasures are asked for again: start omnibus-gdpr and wait until omnibus gdpr requests shows none that is "
        "open; the other workers do not start before\n",
        report.erasures);
}

void reapply(PrivacyOptions const& options) {
  auto ledger = read_whole_ledger(options);
  ReapplyReport report;
  report.ledger = static_cast<std::int64_t>(ledger.entries.size());
  report.unreadable = ledger.unreadable;
  with_privacy(options, [&](pqxx::transaction_base& transaction) {
    auto const plan = ledger::plan_reapply(transaction, std::move(ledger));
    for (auto const& [table, entries] : plan.kinds) report.forgotten.push_back({table, entries});
    report.absent_tenants = plan.absent_tenants;
    if (options.dry_run || plan.entries.empty()) return;
    if (!plan.absent_tenants.empty())
      throw std::runtime_error(fmt::format("the database has no tenant {}: add it with omnibus tenant add first",
                                           fmt::join(plan.absent_tenants, ", ")));
    ledger::reapply(transaction, plan, audit_actor());
    report.reapplied = true;
  });
  if (!options.dry_run) publish_erasures(options, report);
  print_report(options, report);
}

}  // namespace

void add_gdpr_reapply_command(CLI::App& gdpr) {
  auto const options = std::make_shared<PrivacyOptions>();
  auto* const command = gdpr.add_subcommand(
      "reapply", "After a restore: do erasures, opt-outs and holds again that the backup has forgotten");
  add_database_option(*command, options->database);
  add_cluster_options(*command, options->cluster);
  command->add_flag("--dry-run", options->dry_run, "Only tell what the database has forgotten");
  command->add_flag("--json", options->json, "As JSON");
  command->footer(
      "Reads the topic gdpr.ledger. Needs the role admin, and no worker running. May be repeated: it does again only\n"
      "what is missing, and asks again for erasures that have not ended.");
  run_on(*command, [options] { reapply(*options); });
}

}  // namespace omnibus::cli
