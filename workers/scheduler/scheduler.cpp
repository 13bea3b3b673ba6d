#include "workers/scheduler/scheduler.hpp"

#include "observability/log.hpp"
#include "observability/metrics.hpp"
#include "postgres/pool.hpp"
#include "workers/scheduler/store.hpp"
#include "workers/scheduler/ticker.hpp"

#include <algorithm>
#include <exception>
#include <memory>

#include <pqxx/pqxx>

namespace omnibus::scheduler {
namespace {

/// A scheduler's session, and whether it has the right to tick. Everything it does goes over this one connection: when
/// the right is lost, so is the connection.
class ActiveSession {
 public:
  explicit ActiveSession(SchedulerSettings const& settings) : settings_{settings} {
    pool_.url = settings.database_url.reveal();
    pool_.application_name = "omnibus-scheduler";
    pool_.on_connect = [this](pqxx::connection& connection) { end_when_silent(connection, settings_.takeover_after); };
  }

  /// Ticks if it is active, or becomes so. @throws as claim_due(), publish_claimed() and DatabaseAge::check().
  void look(kafka::Producer& producer, ledger::DatabaseAge& age) {
    if (!connection_) connection_ = postgres::connect(pool_);
    age.check(*connection_);
    if (!active_) {
      if (!become_active(*connection_)) return;
      set_active(true);
      log::info("this scheduler is active");
    }
    auto const patience = settings_.takeover_after / 2;  // a longer wait for the broker would be a silence
    // First, so that schedules wait while the broker is down: afterwards each ticks once.
    publish_claimed(*connection_, producer, patience);
    if (claim_due(*connection_) > 0) publish_claimed(*connection_, producer, patience);
  }

  /// Gives up the connection, and the right to tick with it.
  void drop() {
    connection_.reset();
    set_active(false);
  }

 private:
  void set_active(bool active) {
    active_ = active;
    Metrics::process().gauge<Metric::scheduler_active>().set(active ? 1 : 0);
  }

  SchedulerSettings const settings_;
  PoolSettings pool_{};
  std::unique_ptr<pqxx::connection> connection_{};
  bool active_ = false;
};

}  // namespace

void tick_until_told(SchedulerSettings const& settings, StopSignals& signals, kafka::Producer& producer,
                     http::Turns& turns, ledger::DatabaseAge& age) {
  ActiveSession session{settings};
  session.drop();
  auto const pause = std::min(settings.interval, settings.takeover_after / 4);
  do {
    turns.begin(2 * settings.takeover_after);  // its patience with the broker, for all it may publish in a turn
    try {
      session.look(producer, age);
      turns.end(true);
    } catch (ledger::DatabaseIsOld const&) {
      throw;
    } catch (std::exception const& error) {
      session.drop();
      turns.end(false);
      log::warn("the schedules could not be served: check DATABASE_URL and KAFKA_BROKERS", {{"reason", error.what()}});
    }
  } while (!signals.wait_for(pause));
}

}  // namespace omnibus::scheduler
