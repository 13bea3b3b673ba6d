/// The subcommands of `omnibus gdpr`.
#pragma once

namespace CLI {
class App;
}

namespace omnibus::cli {

void add_gdpr_verify_command(CLI::App& gdpr, int& exit_code);

}  // namespace omnibus::cli
