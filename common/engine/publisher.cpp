#include "engine/publisher.hpp"

#include "kafka/client_settings.hpp"
#include "observability/log.hpp"
#include "observability/metrics.hpp"
#include "postgres/outbox_publishing.hpp"

#include <chrono>
#include <exception>

#include <fmt/format.h>

namespace omnibus::engine {

int run_publisher(config::Program const& program, config::Catalogue& catalogue, config::ProcessSettings const& settings,
                  int argc, char** argv, Publish const& publish) {
  auto const binary = fmt::format("omnibus-{}", program.name);
  auto described = program;
  described.name = binary;
  kafka::ClientSettings client;
  client.client_id = binary;
  catalogue.add(client, "KAFKA_");
  if (auto const status = config::configure(described, catalogue, argc, argv)) return *status;
  log::configure(program.name, settings.log_level);
  StopSignals signals;
  try {
    http::AdminServer admin{settings.metrics_listen.host, settings.metrics_listen.port};
    // A turn waits for PostgreSQL and the broker, each with its own time limit.
    http::Turns turns{admin, 4 * settings.max_loop_stall};
    Metrics::process().gauge<Metric::build_info>(program.name, program.version).set(1);
    kafka::ProducerSettings publishing;
    publishing.message_timeout = std::chrono::milliseconds{0};
    publishing.max_message = postgres::largest_stored_record;
    kafka::Producer producer{client, publishing};
    ledger::DatabaseAge age{client, program.name};
    publish(signals, producer, turns, age);
    log::info("stopped");
    return 0;
  } catch (std::exception const& error) {
    log::error("the worker cannot run", {{"reason", error.what()}});
    return 1;
  }
}

}  // namespace omnibus::engine
