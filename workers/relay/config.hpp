/// The relay's settings.
#pragma once

#include "config/config.hpp"
#include "config/types.hpp"
#include "observability/log.hpp"

#include <array>
#include <chrono>
#include <cstdint>

#include <boost/describe/class.hpp>

namespace omnibus::relay {

struct RelaySettings {
  Secret database_url{"postgresql:///omnibus"};
  std::chrono::milliseconds interval{5'000};
  std::chrono::milliseconds age{30'000};
  std::int32_t batch = 1'000;
  ListenAddress metrics_listen{"127.0.0.1", 0};
  log::Level log_level = log::Level::info;

  static constexpr std::string_view prefix = "";
  static constexpr std::array docs{
      config::Doc{"database_url", "PostgreSQL, as a libpq URL"},
      config::Doc{"interval", "Time between two sweeps that found nothing", 0.05, 3600},
      config::Doc{"age", "How old a row must be before it counts as left behind", 0, 86400},
      config::Doc{"batch", "Rows published in one transaction", 1, 100'000},
      config::Doc{"metrics_listen", "Address of /livez, /readyz and /metrics; port 0 takes a free one"},
      config::Doc{"log_level", "debug, info, warn, error or off"},
  };
};
BOOST_DESCRIBE_STRUCT(RelaySettings, (), (database_url, interval, age, batch, metrics_listen, log_level))

}  // namespace omnibus::relay
