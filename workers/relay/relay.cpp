#include "workers/relay/relay.hpp"

#include "faults/failpoint.hpp"
#include "observability/log.hpp"
#include "postgres/outbox.hpp"
#include "postgres/outbox_publishing.hpp"
#include "postgres/pool.hpp"
#include "workers/relay/ledger_sweep.hpp"

#include <exception>
#include <memory>
#include <stdexcept>

#include <pqxx/pqxx>

namespace omnibus::relay {
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

void sweep_until_told(RelaySettings const& settings, StopSignals& signals, kafka::Producer& producer,
                      http::AdminServer::Check& ready, ledger::DatabaseAge& age) {
  PoolSettings pool;
  pool.url = settings.database_url.reveal();
  pool.application_name = "omnibus-relay";
  std::unique_ptr<pqxx::connection> connection;
  std::chrono::milliseconds pause{0};
  while (!signals.wait_for(pause)) {
    pause = settings.interval;
    try {
      if (!connection) connection = postgres::connect(pool);
      age.check(*connection);
      SweepSettings const sweeping{settings.age, static_cast<std::size_t>(settings.batch)};
      auto const published = sweep(*connection, producer, sweeping) + sweep_ledger(*connection, producer, sweeping);
      ready.set(true);
      if (published == 0) continue;
      log::info("published what was left behind", {{"records", published}});
      pause = std::chrono::milliseconds{0};
    } catch (ledger::DatabaseIsOld const&) {
      throw;
    } catch (std::exception const& error) {
      connection.reset();
      ready.set(false);
      log::warn("a sweep failed: check DATABASE_URL and KAFKA_BROKERS", {{"reason", error.what()}});
    }
  }
}

}  // namespace omnibus::relay
