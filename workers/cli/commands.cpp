#include "workers/cli/commands.hpp"

#include "config/config.hpp"
#include "workers/cli/terminal/terminal.hpp"

#include <exception>
#include <ostream>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ostream.h>

namespace omnibus::cli {
namespace {

/// Says which word is no command, and of what; false when no word is wrong. CLI11 only says that a command is missing.
bool report_unknown_command(CLI::App const& application, std::ostream& err) {
  auto const* command = &application;
  std::string path = application.get_name();
  while (command->remaining().empty()) {
    if (command->get_subcommands().empty()) return false;
    command = command->get_subcommands().back();
    path += " " + command->get_name();
  }
  std::string names;
  for (auto const* each : command->get_subcommands([](CLI::App const*) { return true; }))
    names.append(names.empty() ? "" : ", ").append(each->get_name());
  fmt::print(err, "{}: there is no command {}; there are {}: see {} --help\n", path,
             printable(command->remaining().front(), 100), names, path);
  return true;
}

}  // namespace

int run(int argc, char const* const* argv, std::ostream& out, std::ostream& err) {
  config::Program const program{"omnibus", "Omnibus: conversations as events. The operator's tool."};
  CLI::App application(std::string(program.summary), std::string(program.name));
  application.require_subcommand(1);
  // Without it, CLI11 2 sets the options of all subcommands from the environment, after those that were given.
  application.immediate_callback();
  application.set_help_all_flag("--help-all", "Help of all commands");
  application.set_version_flag("--version", fmt::format("{} {}", program.name, program.version),
                               "Print the version and end");
  int exit_code = 0;
  add_topics_command(application, exit_code);
  add_broker_command(application, exit_code);
  add_migrate_command(application, exit_code);
  add_tenant_command(application, exit_code);
  add_token_command(application, exit_code);
  add_simulate_command(application, exit_code);
  add_sms_command(application, exit_code);
  add_replay_command(application, exit_code);
  add_tail_command(application, exit_code);
  add_dlq_command(application, exit_code);
  add_lag_command(application, exit_code);
  add_doctor_command(application, exit_code);
  add_telemetry_command(application, exit_code);
  add_delivery_command(application, exit_code);
  add_schedule_command(application, exit_code);
  add_flag_command(application, exit_code);
  add_people_command(application, exit_code);
  add_match_command(application, exit_code);
  add_agent_conversation_command(application, exit_code);
  add_outcome_command(application, exit_code);
  add_report_command(application, exit_code);
  add_gdpr_command(application, exit_code);
  add_monitor_command(application, exit_code);
  add_health_commands(application, exit_code);
  try {
    application.parse(argc, argv);
  } catch (CLI::RequiredError const& error) {
    if (report_unknown_command(application, err)) return 64;
    return application.exit(error, out, err) == 0 ? 0 : 64;
  } catch (CLI::ParseError const& error) {
    // 0 for help and version, else 64 (sysexits.h): 1 and 2 are the commands' own exit codes.
    return application.exit(error, out, err) == 0 ? 0 : 64;
  } catch (std::exception const& error) {
    err << program.name << ": " << error.what() << '\n';
    return 1;
  }
  return exit_code;
}

}  // namespace omnibus::cli
