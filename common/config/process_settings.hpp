/// The settings that every process has.
#pragma once

#include "config/config.hpp"
#include "config/types.hpp"
#include "observability/log.hpp"

#include <array>
#include <chrono>

#include <boost/describe/class.hpp>

namespace omnibus::config {

/// The database, metrics address, log level and liveness of a process. A base of each binary's own settings.
struct ProcessSettings {
  Secret database_url{"postgresql:///omnibus"};
  ListenAddress metrics_listen{"127.0.0.1", 0};
  log::Level log_level = log::Level::info;
  std::chrono::milliseconds max_loop_stall{30'000};

  static constexpr std::array docs{
      Doc{"database_url", "PostgreSQL, as a libpq URL"},
      Doc{"metrics_listen", "Address of /livez, /readyz and /metrics; port 0 takes a free one"},
      Doc{"log_level", "debug, info, warn, error or off"},
      Doc{"max_loop_stall",
          "Time that the event loop may stand still before /livez fails; for a sweep of the relay and a look of the "
          "scheduler four times as long; 0: for ever",
          0, 86400},
  };
};
BOOST_DESCRIBE_STRUCT(ProcessSettings, (), (database_url, metrics_listen, log_level, max_loop_stall))

}  // namespace omnibus::config
