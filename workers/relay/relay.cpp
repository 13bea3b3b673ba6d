#include "workers/relay/relay.hpp"

#include "faults/failpoint.hpp"
#include "observability/log.hpp"
#include "postgres/outbox.hpp"
#include "postgres/pool.hpp"
#include "workers/relay/ledger_sweep.hpp"

#include <exception>
#include <memory>

#include <pqxx/pqxx>

namespace omnibus::relay {

Swept Relay::sweep(pqxx::connection& connection) {
  // Rows of earlier sweeps are removed before more are read; a topic that has others still out is left alone.
  auto const busy = rows_.busy_topics();
  auto const late = rows_.take_answers();
  pqxx::work transaction{connection};
  postgres::remove_published(transaction, late.acknowledged);
  postgres::refuse_rows(transaction, late.refused);
  // The rows stay locked until the broker has answered.
  auto const rows = postgres::sweep_outbox(transaction, settings_.age, settings_.limit, busy);
  if (!rows.empty()) OMNIBUS_FAILPOINT("relay.swept");
  rows_.publish(rows, settings_.patience);
  auto const answers = rows_.take_answers();
  if (!rows.empty()) OMNIBUS_FAILPOINT("relay.published");
  postgres::remove_published(transaction, answers.acknowledged);
  postgres::refuse_rows(transaction, answers.refused);
  transaction.commit();
  if (!rows.empty()) OMNIBUS_FAILPOINT("relay.removed");
  postgres::tell_refused(late.refused);
  postgres::tell_refused(answers.refused);
  return {late.acknowledged.size() + answers.acknowledged.size(), late.refused.size() + answers.refused.size(),
          rows_.busy_topics().size(), rows.size() == settings_.limit};
}

void sweep_until_told(RelaySettings const& settings, StopSignals& signals, kafka::Producer& producer,
                      http::Turns& turns, ledger::DatabaseAge& age) {
  PoolSettings pool;
  pool.url = settings.database_url.reveal();
  pool.application_name = "omnibus-relay";
  std::unique_ptr<pqxx::connection> connection;
  SweepSettings const sweeping{settings.age, static_cast<std::size_t>(settings.batch)};
  Relay relay{producer, sweeping};
  LedgerSweep ledger{producer, sweeping};
  std::chrono::milliseconds pause{0};
  while (!signals.wait_for(pause)) {
    pause = settings.interval;
    turns.begin();
    try {
      if (!connection) connection = postgres::connect(pool);
      age.check(*connection);
      auto const swept = relay.sweep(*connection);
      auto const published = swept.published + ledger.sweep(*connection);
      turns.end(true);
      if (published > 0) log::info("published what was left behind", {{"records", published}});
      if (swept.waiting > 0)
        log::warn("the broker does not answer for records of some topics: check KAFKA_BROKERS, and omnibus doctor",
                  {{"topics", swept.waiting}});
      if (published > 0 || swept.more) pause = std::chrono::milliseconds{0};
    } catch (ledger::DatabaseIsOld const&) {
      throw;
    } catch (std::exception const& error) {
      connection.reset();
      turns.end(false);
      log::warn("a sweep failed: check DATABASE_URL and KAFKA_BROKERS", {{"reason", error.what()}});
    }
  }
}

}  // namespace omnibus::relay
