#include "workers/cli/commands.hpp"
#include "workers/cli/gdpr/gdpr_commands.hpp"

#include <CLI/CLI.hpp>

namespace omnibus::cli {

void add_gdpr_command(CLI::App& application, int& exit_code) {
  auto* const gdpr = application.add_subcommand("gdpr", "Export and erase people's data; requests, audit and holds");
  gdpr->require_subcommand(1);
  add_request_commands(*gdpr, exit_code);
  add_listing_commands(*gdpr);
  add_hold_command(*gdpr);
  add_gdpr_unlink_command(*gdpr);
  add_gdpr_verify_command(*gdpr, exit_code);
  add_gdpr_prune_command(*gdpr, exit_code);
  add_gdpr_rekey_command(*gdpr);
  add_gdpr_reapply_command(*gdpr);
}

}  // namespace omnibus::cli
