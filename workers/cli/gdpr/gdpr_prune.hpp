/// `omnibus gdpr prune`
#pragma once

namespace CLI {
class App;
}

namespace omnibus::cli {

/// Adds `prune` to the command `gdpr`.
void add_gdpr_prune(CLI::App& gdpr, int& exit_code);

}  // namespace omnibus::cli
