#include "workers/cli/cluster_options.hpp"

#include <CLI/CLI.hpp>

namespace omnibus::cli {

void add_cluster_options(CLI::App& command, ClusterOptions& options) {
  command.add_option("--brokers", options.brokers, "Bootstrap addresses")
      ->envname("KAFKA_BROKERS")
      ->capture_default_str();
  command.add_option("--kafka-options", options.options, "More options of librdkafka, name=value separated by ;")
      ->envname("KAFKA_OPTIONS");
  command.add_option("--timeout", options.timeout_seconds, "Time limit of each request, in seconds")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
}

}  // namespace omnibus::cli
