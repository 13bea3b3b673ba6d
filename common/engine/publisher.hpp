/// The main program of a worker that publishes rows of the database and handles no events.
#pragma once

#include "concurrency/stop_signals.hpp"
#include "config/config.hpp"
#include "config/process_settings.hpp"
#include "http/turns.hpp"
#include "kafka/producer.hpp"
#include "ledger/database_age.hpp"

#include <functional>

namespace omnibus {

namespace engine {

/// Publishes until a signal comes, checks the age of the database before each look at it, and tells of each turn. Runs
/// on the main thread.
using Publish = std::function<void(StopSignals&, kafka::Producer&, http::Turns&, ledger::DatabaseAge&)>;

/// Configures, connects, serves /livez, /readyz and /metrics, and runs `publish`. Its producer never gives up a record,
/// which a later one would then overtake. `catalogue` already contains `settings`. @return the exit status.
int run_publisher(config::Program const& program, config::Catalogue& catalogue, config::ProcessSettings const& settings,
                  int argc, char** argv, Publish const& publish);

}  // namespace engine

/// Runs `publish(settings, signals, producer, turns, age)` as a program. `Settings` derive from
/// config::ProcessSettings.
template <class Settings, class Work>
int run_publisher(config::Program const& program, int argc, char** argv, Work publish) {
  Settings settings;
  config::Catalogue catalogue;
  catalogue.add(settings);
  return engine::run_publisher(program, catalogue, settings, argc, argv,
                               [&](StopSignals& signals, kafka::Producer& producer, http::Turns& turns,
                                   ledger::DatabaseAge& age) { publish(settings, signals, producer, turns, age); });
}

}  // namespace omnibus
