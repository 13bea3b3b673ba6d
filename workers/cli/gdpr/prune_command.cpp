#include "json/encode.hpp"
#include "kafka/topics.hpp"
#include "retention/prune_run.hpp"
#include "workers/cli/database/database.hpp"
#include "workers/cli/gdpr/gdpr_commands.hpp"
#include "workers/cli/terminal/terminal.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/describe/class.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

using retention::PruneState;
using retention::PruneTask;

struct PruneCommandOptions {
  std::string database;
  std::vector<std::string> runs;
  bool dry_run = false;
  bool force = false;
  bool json = false;
};

/// One run as the command shows it.
struct ShownRun {
  std::string name;
  std::string state;
  std::string older_than;
  std::int64_t due = 0;
  std::int64_t total = 0;
  std::int64_t done = 0;
  std::int64_t held = 0;
  std::string reason;
  std::int64_t longest_batch_ms = 0;
};
BOOST_DESCRIBE_STRUCT(ShownRun, (), (name, state, older_than, due, total, done, held, reason, longest_batch_ms))

struct RunListing {
  std::vector<ShownRun> runs;
};
BOOST_DESCRIBE_STRUCT(RunListing, (), (runs))

std::vector<PruneTask> every_task() {
  // A topic without a limit keeps its records for ever, and so are answers and positions kept.
  constexpr std::chrono::hours unlimited{24 * 36'500};
  auto tasks = retention::pipeline_tasks(kafka::TopicCatalog::built_in().longest_retention().value_or(unlimited));
  tasks.insert(tasks.begin(), {retention::audit_task(), retention::messages_task()});
  return tasks;
}

std::vector<std::string> task_names() {
  std::vector<std::string> names;
  for (auto const& task : every_task()) names.push_back(task.name);
  return names;
}

std::string_view state_text(PruneState state) {
  switch (state) {
    case PruneState::finished:
      return "finished";
    case PruneState::unfinished:
      return "unfinished";
    case PruneState::stopped:
      return "stopped";
    case PruneState::busy:
      return "busy";
    case PruneState::counted:
      return "counted";
  }
  return "unknown";
}

void print(PruneCommandOptions const& options, RunListing const& listing) {
  if (options.json) return fmt::print("{}\n", json::encode(listing));
  Table table{{"RUN", "STATE", "OLDER THAN", "DUE", "OF", "DELETED", "HELD", "REASON"}};
  for (auto const& run : listing.runs)
    table.add({run.name, run.state, run.older_than, std::to_string(run.due), std::to_string(run.total),
               std::to_string(run.done), std::to_string(run.held), run.reason.empty() ? "-" : run.reason});
  fmt::print("{}", table.text());
}

void prune(PruneCommandOptions const& options, int& exit_code) {
  auto const connection = connect(options.database);
  retention::PruneOptions run;
  run.dry_run = options.dry_run;
  run.force = options.force;
  run.actor = "operator";
  run.slice = std::chrono::hours{24 * 365};
  RunListing listing;
  for (auto const& task : every_task()) {
    if (!options.runs.empty() && std::ranges::find(options.runs, task.name) == options.runs.end()) continue;
    try {
      auto const report = retention::prune(*connection, task, run);
      listing.runs.push_back({task.name, std::string{state_text(report.state)}, report.cutoff, report.due, report.total,
                              report.done, report.held, report.reason, report.longest_batch.count()});
    } catch (pqxx::insufficient_privilege const&) {
      throw std::runtime_error("this role lacks the right: set DATABASE_URL or --database to the role omnibus_gdpr");
    }
    auto const& reason = listing.runs.back().reason;
    if (!reason.empty() && !options.force) exit_code = 2;
  }
  print(options, listing);
  if (exit_code == 2)
    fmt::print(stderr,
               "a run {}: check the database's clock, and delete its rows with omnibus gdpr prune RUN --force\n",
               options.dry_run ? "would stop" : "was stopped");
}

}  // namespace

void add_gdpr_prune_command(CLI::App& gdpr, int& exit_code) {
  auto const options = std::make_shared<PruneCommandOptions>();
  auto* command = gdpr.add_subcommand(
      "prune", "Delete what is too old, as the ticks do; exit 2 if a run was stopped. Needs the role gdpr");
  add_database_option(*command, options->database);
  command->add_option("run", options->runs, "Only these runs; default: all")->check(CLI::IsMember(task_names()));
  command->add_flag("--dry-run", options->dry_run, "Only count, and say what would stop a run");
  command->add_flag("--force", options->force,
                    "Begin also if more than half of a table would go, or the clock seems wrong");
  command->add_flag("--json", options->json, "As JSON");
  command->callback([command, options, &exit_code] {
    if (command->remaining_size() > 0) throw CLI::ExtrasError(command->remaining());
    prune(*options, exit_code);
  });
}

}  // namespace omnibus::cli
