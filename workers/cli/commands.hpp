/// The subcommands of `omnibus`. Each adds itself to the application and sets the exit code when it runs.
#pragma once

#include <iosfwd>

namespace CLI {
class App;
}

namespace omnibus::cli {

/// Runs `omnibus` with its arguments and returns its exit code; help, version and errors go to `out` and `err`.
int run(int argc, char const* const* argv, std::ostream& out, std::ostream& err);

void add_topics_command(CLI::App& application, int& exit_code);
void add_broker_command(CLI::App& application, int& exit_code);
void add_migrate_command(CLI::App& application, int& exit_code);
void add_tenant_command(CLI::App& application, int& exit_code);
void add_tenant_sender_command(CLI::App& tenant);  // a subcommand of tenant
void add_token_command(CLI::App& application, int& exit_code);
void add_simulate_command(CLI::App& application, int& exit_code);
void add_sms_command(CLI::App& application, int& exit_code);
void add_replay_command(CLI::App& application, int& exit_code);
void add_tail_command(CLI::App& application, int& exit_code);
void add_dlq_command(CLI::App& application, int& exit_code);
void add_lag_command(CLI::App& application, int& exit_code);
void add_doctor_command(CLI::App& application, int& exit_code);
void add_telemetry_command(CLI::App& application, int& exit_code);
void add_delivery_command(CLI::App& application, int& exit_code);
void add_schedule_command(CLI::App& application, int& exit_code);
void add_flag_command(CLI::App& application, int& exit_code);
void add_people_command(CLI::App& application, int& exit_code);
void add_match_command(CLI::App& application, int& exit_code);
void add_agent_conversation_command(CLI::App& application, int& exit_code);
void add_outcome_command(CLI::App& application, int& exit_code);
void add_report_command(CLI::App& application, int& exit_code);
void add_gdpr_command(CLI::App& application, int& exit_code);
void add_monitor_command(CLI::App& application, int& exit_code);
void add_health_commands(CLI::App& application, int& exit_code);  // analytics, health and logs

}  // namespace omnibus::cli
