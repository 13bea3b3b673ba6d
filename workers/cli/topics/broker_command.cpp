#include "concurrency/stop_signals.hpp"
#include "kafka/embedded_broker.hpp"
#include "kafka/topics.hpp"
#include "workers/cli/commands.hpp"
#include "workers/cli/topics/ready_file.hpp"

#include <cstdio>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/core.h>

namespace omnibus::cli {
namespace {

struct BrokerOptions {
  std::string file;
  std::string ready_file;
  kafka::EmbeddedBrokerSettings broker;
};

int run(BrokerOptions const& options) {
  StopSignals signals;
  auto const catalog = options.file.empty() ? kafka::TopicCatalog::built_in() : kafka::TopicCatalog::load(options.file);
  kafka::EmbeddedBroker const broker(catalog, options.broker);
  fmt::print("bootstrap: {}\n{}topics:\n", broker.bootstrap(), kafka::embedded_broker_limits());
  for (auto const& topic : catalog.topics()) fmt::print("  {} ({} partitions)\n", topic.name, topic.partitions);
  std::fflush(stdout);
  ReadyFile const ready(options.ready_file, broker.bootstrap());
  signals.wait();
  return 0;
}

}  // namespace

void add_broker_command(CLI::App& application, int& exit_code) {
  auto* command = application.add_subcommand(
      "broker", "Run the embedded broker with the topics of topics.yaml until SIGTERM or SIGINT");
  auto const options = std::make_shared<BrokerOptions>();
  command->footer(std::string(kafka::embedded_broker_limits()));
  command->add_option("--file", options->file, "The topics file; default: the one built into this binary");
  command->add_option("--ready-file", options->ready_file,
                      "Write the bootstrap address here once it answers; removed at the end");
  command->add_option("--brokers", options->broker.brokers, "Number of brokers in the cluster")
      ->check(CLI::Range(1, 9))
      ->capture_default_str();
  command->callback([options, &exit_code] { exit_code = run(*options); });
}

}  // namespace omnibus::cli
