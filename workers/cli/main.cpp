#include "observability/log.hpp"
#include "workers/cli/commands.hpp"

#include <exception>

#include <CLI/CLI.hpp>
#include <fmt/core.h>

int main(int argc, char** argv) {
  CLI::App application("Omnibus: conversations as events. The operator's tool.", "omnibus");
  application.require_subcommand(1);
  application.set_help_all_flag("--help-all", "Help of all commands");
  int exit_code = 0;
  omnibus::log::configure("omnibus", omnibus::log::Level::error);
  omnibus::cli::add_topics_command(application, exit_code);
  omnibus::cli::add_broker_command(application, exit_code);
  omnibus::cli::add_migrate_command(application, exit_code);
  omnibus::cli::add_tenant_command(application, exit_code);
  omnibus::cli::add_simulate_command(application, exit_code);
  omnibus::cli::add_sms_command(application, exit_code);
  omnibus::cli::add_replay_command(application, exit_code);
  omnibus::cli::add_tail_command(application, exit_code);
  omnibus::cli::add_dlq_command(application, exit_code);
  omnibus::cli::add_lag_command(application, exit_code);
  omnibus::cli::add_doctor_command(application, exit_code);
  omnibus::cli::add_telemetry_command(application, exit_code);
  omnibus::cli::add_delivery_command(application, exit_code);
  try {
    application.parse(argc, argv);
  } catch (CLI::ParseError const& error) {
    // 0 for help, else 64 as sysexits.h has it: 1 and 2 are the commands' own answers.
    return application.exit(error) == 0 ? 0 : 64;
  } catch (std::exception const& error) {
    fmt::print(stderr, "omnibus: {}\n", error.what());
    return 1;
  }
  return exit_code;
}
