#include "workers/relay/relay.hpp"

#include "concurrency/stop_signals.hpp"
#include "config/config.hpp"
#include "faults/failpoint.hpp"
#include "http/admin_server.hpp"
#include "observability/log.hpp"
#include "observability/metrics.hpp"
#include "postgres/outbox.hpp"
#include "postgres/outbox_publishing.hpp"
#include "postgres/pool.hpp"
#include "workers/relay/config.hpp"

#include <exception>
#include <memory>
#include <stdexcept>

#include <pqxx/pqxx>

namespace omnibus::relay {
namespace {

void sweep_until_told(RelaySettings const& settings, StopSignals& signals, kafka::Producer& producer,
                      http::AdminServer::Check& ready) {
  PoolSettings pool;
  pool.url = settings.database_url.reveal();
  pool.application_name = "omnibus-relay";
  std::unique_ptr<pqxx::connection> connection;
  std::chrono::milliseconds pause{0};
  while (!signals.wait_for(pause)) {
    pause = settings.interval;
    try {
      if (!connection) connection = postgres::connect(pool);
      auto const published = sweep(*connection, producer, {settings.age, static_cast<std::size_t>(settings.batch)});
      ready.set(true);
      if (published == 0) continue;
      log::info("published what was left behind", {{"records", published}});
      pause = std::chrono::milliseconds{0};
    } catch (std::exception const& error) {
      connection.reset();
      ready.set(false);
      log::warn("a sweep failed: check DATABASE_URL and KAFKA_BROKERS", {{"reason", error.what()}});
    }
  }
}

}  // namespace

std::size_t sweep(pqxx::connection& connection, kafka::Producer& producer, SweepSettings const& settings) {
  // Else all of it would be passed on again in every sweep while the broker is down.
  if (!producer.flush(settings.patience)) throw std::runtime_error("the broker has not acknowledged earlier records");
  // The rows stay locked until the broker has acknowledged them.
  pqxx::work transaction{connection};
  auto const rows = postgres::sweep_outbox(transaction, settings.age, settings.limit);
  if (rows.empty()) return 0;
  OMNIBUS_FAILPOINT("relay.swept");
  auto const acknowledged = postgres::publish_rows(producer, rows, settings.patience);
  OMNIBUS_FAILPOINT("relay.published");
  postgres::remove_published(transaction, acknowledged);
  transaction.commit();
  OMNIBUS_FAILPOINT("relay.removed");
  return acknowledged.size();
}

int run(int argc, char** argv) {
  RelaySettings settings;
  kafka::ClientSettings client;
  client.client_id = "omnibus-relay";
  config::Catalogue catalogue;
  catalogue.add(client, "KAFKA_");
  catalogue.add(settings);
  config::Program const program{"omnibus-relay", "Publishes what workers committed and did not live to publish."};
  if (auto const status = config::configure(program, catalogue, argc, argv)) return *status;
  log::configure("relay", settings.log_level);
  StopSignals signals;
  try {
    http::AdminServer admin{settings.metrics_listen.host, settings.metrics_listen.port};
    auto const ready = admin.add_check("database");
    Metrics::process().gauge<Metric::build_info>("relay", program.version).set(1);
    kafka::ProducerSettings publishing;
    publishing.message_timeout = std::chrono::milliseconds{0};  // a record that timed out would be overtaken
    kafka::Producer producer{client, publishing};
    sweep_until_told(settings, signals, producer, *ready);
    log::info("stopped");
    return 0;
  } catch (std::exception const& error) {
    log::error("the relay cannot run", {{"reason", error.what()}});
    return 1;
  }
}

}  // namespace omnibus::relay
