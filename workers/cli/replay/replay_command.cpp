#include "engine/replay/replay_arguments.hpp"
#include "engine/replay/replay_plan.hpp"
#include "engine/replay/replay_store.hpp"
#include "json/encode.hpp"
#include "workers/cli/cluster_options.hpp"
#include "workers/cli/commands.hpp"
#include "workers/cli/database/database.hpp"

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

struct ReplayCommandOptions {
  ClusterOptions cluster;
  std::string database;
  std::string worker;
  std::vector<std::string> topics;
  std::string from;
  std::string to;
  std::string run;
  bool json = false;
};

/// `omnibus replay status --json`: the run with its partitions and reasons.
struct FullStatus : engine::ReplayStatus {
  std::vector<engine::ReplayPartition> partitions;
  std::vector<engine::ReplayOutcome> outcomes;
};
BOOST_DESCRIBE_STRUCT(FullStatus, (engine::ReplayStatus), (partitions, outcomes))

struct ReplayListing {
  std::vector<engine::ReplayStatus> replays;
};
BOOST_DESCRIBE_STRUCT(ReplayListing, (), (replays))

kafka::Moment moment(std::string_view option, std::string const& text) {
  try {
    return kafka::parse_moment(text);
  } catch (std::invalid_argument const& error) {
    throw std::runtime_error(fmt::format("{}: {}", option, error.what()));
  }
}

void plan(ReplayCommandOptions const& options) {
  auto const from = moment("--from", options.from);
  auto const to = moment("--to", options.to);
  engine::check_window(from, to);
  auto const planned = engine::plan_replay(options.cluster.settings(), options.worker, options.topics, from, to);
  if (options.json)
    fmt::print("{}\n", json::encode(planned));
  else
    fmt::print("{}", engine::to_text(planned));
}

std::int64_t percent(engine::ReplayStatus const& status) {
  return status.events == 0 ? 100 : 100 * status.done / status.events;
}

void print(FullStatus const& status) {
  fmt::print("{}: {} from {} to {}, topics {}\n", status.run, status.worker, status.from, status.to,
             fmt::join(status.topics, ", "));
  fmt::print("state       {}\n", status.state);
  fmt::print("progress    {} of {} events ({} %)\n", status.done, status.events, percent(status));
  if (status.state == "running")
    fmt::print("rate        {:.0f} events/s by {} process{}{}\n", status.per_second, status.processes,
               status.processes == 1 ? "" : "es",
               status.seconds_left ? fmt::format(", about {} s left", *status.seconds_left) : std::string{});
  fmt::print("started     {} by {}\n", status.started_at, status.started_by);
  if (status.ended_at) fmt::print("ended       {}\n", *status.ended_at);
  fmt::print("group       {}\n", status.group);
  for (auto const& each : status.outcomes)
    fmt::print("{:<11} {}{}\n", each.outcome, each.events, each.reason.empty() ? "" : " (" + each.reason + ")");
  std::size_t width = 5;
  for (auto const& each : status.partitions) width = std::max(width, each.topic.size());
  fmt::print("\n{:{}}  partition        from    position          to\n", "topic", width);
  for (auto const& each : status.partitions)
    fmt::print("{:{}}  {:9}  {:10}  {:10}  {:10}\n", each.topic, width, each.partition, each.from, each.position,
               each.to);
}

void show_status(ReplayCommandOptions const& options) {
  auto const connection = connect(options.database);
  pqxx::work transaction{*connection};
  auto const found = engine::replay_status(transaction, options.run);
  if (found.empty())
    throw std::runtime_error(fmt::format("there is no replay {}: omnibus replay ls lists them", options.run));
  FullStatus status;
  static_cast<engine::ReplayStatus&>(status) = found[0];
  status.partitions = engine::partitions_of(transaction, options.run);
  status.outcomes = engine::outcomes_of(transaction, options.run);
  if (options.json)
    fmt::print("{}\n", json::encode(status));
  else
    print(status);
}

void list(ReplayCommandOptions const& options) {
  auto const connection = connect(options.database);
  pqxx::work transaction{*connection};
  ReplayListing const listing{engine::replay_status(transaction, std::nullopt)};
  if (options.json) return fmt::print("{}\n", json::encode(listing));
  std::size_t width = 3;
  for (auto const& each : listing.replays) width = std::max(width, each.run.size());
  fmt::print("{:{}}  worker        state            done     %      failed  started\n", "run", width);
  for (auto const& each : listing.replays)
    fmt::print("{:{}}  {:12}  {:11}  {:10}  {:4}  {:10}  {}\n", each.run, width, each.worker, each.state, each.done,
               percent(each), each.failed, each.started_at);
}

}  // namespace

void add_replay_command(CLI::App& application, int&) {
  auto const options = std::make_shared<ReplayCommandOptions>();
  auto* replay = application.add_subcommand(
      "replay", "Plan a replay, and show the state of replays; omnibus-<worker> --replay begins one");
  replay->require_subcommand(1);
  auto const add = [&](char const* name, char const* help) {
    auto* command = replay->add_subcommand(name, help);
    command->add_flag("--json", options->json, "As JSON");
    return command;
  };

  auto* planning = add("plan", "Show partitions, offsets, events and bytes of a window; changes nothing");
  planning->add_option("--worker", options->worker, "The worker, such as chat")->required();
  planning->add_option("--topic", options->topics, "Only this topic of the worker's; may be given more than once")
      ->allow_extra_args(false);
  planning->add_option("--from", options->from, "RFC 3339, milliseconds since 1970, or earliest")->required();
  planning->add_option("--to", options->to, "The same, this moment not included; or now")->required();
  add_cluster_options(*planning, options->cluster);
  planning->callback([options] { plan(*options); });

  auto* status = add("status", "Show a replay's progress, rate, time left and the outcome of its events");
  status->add_option("run", options->run, "The name of the replay")->required();
  add_database_option(*status, options->database);
  status->callback([options] { show_status(*options); });

  auto* listing = add("ls", "List all replays, the newest first");
  add_database_option(*listing, options->database);
  listing->callback([options] { list(*options); });
}

}  // namespace omnibus::cli
