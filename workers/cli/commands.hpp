/// The subcommands of `omnibus`. Each adds itself to the application and leaves its exit code where it ran.
#pragma once

namespace CLI {
class App;
}

namespace omnibus::cli {

void add_topics_command(CLI::App& application, int& exit_code);
void add_broker_command(CLI::App& application, int& exit_code);
void add_migrate_command(CLI::App& application, int& exit_code);
void add_tenant_command(CLI::App& application, int& exit_code);  // and `token`
void add_simulate_command(CLI::App& application, int& exit_code);
void add_sms_command(CLI::App& application, int& exit_code);
void add_replay_command(CLI::App& application, int& exit_code);
void add_tail_command(CLI::App& application, int& exit_code);
void add_dlq_command(CLI::App& application, int& exit_code);
void add_lag_command(CLI::App& application, int& exit_code);
void add_doctor_command(CLI::App& application, int& exit_code);
void add_telemetry_command(CLI::App& application, int& exit_code);
void add_delivery_command(CLI::App& application, int& exit_code);

}  // namespace omnibus::cli
