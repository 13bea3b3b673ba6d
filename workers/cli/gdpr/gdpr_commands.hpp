/// The subcommands of `omnibus gdpr`.
#pragma once

namespace CLI {
class App;
}

namespace omnibus::cli {

void add_request_commands(CLI::App& gdpr, int& exit_code);  // export and delete
void add_listing_commands(CLI::App& gdpr);                  // requests and audit
void add_hold_command(CLI::App& gdpr);
void add_gdpr_unlink_command(CLI::App& gdpr);
void add_gdpr_verify_command(CLI::App& gdpr, int& exit_code);
void add_gdpr_prune_command(CLI::App& gdpr, int& exit_code);
void add_gdpr_rekey_command(CLI::App& gdpr);
void add_gdpr_reapply_command(CLI::App& gdpr);

}  // namespace omnibus::cli
