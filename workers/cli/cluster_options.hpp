/// Kafka options of the tool's commands.
#pragma once

#include "kafka/client_settings.hpp"

#include <chrono>
#include <string>

namespace CLI {
class App;
}

namespace omnibus::cli {

struct ClusterOptions {
  std::string brokers = kafka::ClientSettings{}.brokers;
  std::string options;
  int timeout_seconds = 15;

  kafka::ClientSettings settings() const { return {brokers, "omnibus-cli", Secret{options}}; }
  std::chrono::seconds timeout() const { return std::chrono::seconds{timeout_seconds}; }
};

/// Adds `--brokers`, `--kafka-options` and `--timeout`; KAFKA_BROKERS and KAFKA_OPTIONS set the first two as well.
void add_cluster_options(CLI::App& command, ClusterOptions& options);

}  // namespace omnibus::cli
