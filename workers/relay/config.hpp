/// The relay's settings.
#pragma once

#include "config/config.hpp"
#include "config/process_settings.hpp"

#include <array>
#include <chrono>
#include <cstdint>

#include <boost/describe/class.hpp>

namespace omnibus::relay {

struct RelaySettings : config::ProcessSettings {
  std::chrono::milliseconds interval{5'000};
  std::chrono::milliseconds age{30'000};
  std::int32_t batch = 1'000;

  static constexpr std::string_view prefix = "";
  static constexpr std::array docs{
      config::Doc{"interval", "Time between two sweeps that found nothing", 0.05, 3600},
      config::Doc{"age", "The age at which a row counts as left behind", 0, 86400},
      config::Doc{"batch", "Rows published in one transaction", 1, 100'000},
  };
};
BOOST_DESCRIBE_STRUCT(RelaySettings, (config::ProcessSettings), (interval, age, batch))

}  // namespace omnibus::relay
