#include "json/encode.hpp"
#include "workers/cli/commands.hpp"
#include "workers/cli/database/database.hpp"
#include "workers/cli/gdpr/privacy.hpp"
#include "workers/cli/gdpr/privacy_state.hpp"
#include "workers/cli/matching/matching.hpp"

#include <cstdio>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

void monitor(PrivacyOptions const& options, int& exit_code) {
  with_privacy(options, [&](pqxx::transaction_base& transaction) {
    auto const state = read_privacy_state(transaction, archive_keys());
    if (!state.alarms.empty()) exit_code = 2;
    if (options.json) return fmt::print("{}\n", json::encode(state));
    fmt::print("{} late requests, {} failed and {} deletions that found nothing in 30 days\n", state.late_requests,
               state.failed_requests, state.deletions_of_nothing);
    if (state.prune_age_days) fmt::print("the audit log was pruned {:.1f} days ago\n", *state.prune_age_days);
    for (auto const& alarm : state.alarms) fmt::print(stderr, "{}\n", alarm);
  });
}

}  // namespace

void add_monitor_command(CLI::App& application, int& exit_code) {
  auto const options = std::make_shared<PrivacyOptions>();
  auto* const command = application.add_subcommand("monitor", "Checks for a monitoring system; end with 2 in alarm");
  command->require_subcommand(1);
  auto* const gdpr = command->add_subcommand("gdpr",
                                             "Ends with 2 if a request is older than 24 h, pruning older than 8 days, "
                                             "a key does not open, or the ledger waits");
  add_database_option(*gdpr, options->database);
  gdpr->add_flag("--json", options->json, "As JSON");
  run_on(*gdpr, [options, &exit_code] { monitor(*options, exit_code); });
}

}  // namespace omnibus::cli
