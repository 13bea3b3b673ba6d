/// The scheduler's settings.
#pragma once

#include "config/config.hpp"
#include "config/process_settings.hpp"

#include <array>
#include <chrono>

#include <boost/describe/class.hpp>

namespace omnibus::scheduler {

struct SchedulerSettings : config::ProcessSettings {
  std::chrono::milliseconds interval{1'000};
  std::chrono::milliseconds takeover_after{10'000};

  static constexpr std::string_view prefix = "";
  static constexpr std::array docs{
      config::Doc{"interval",
                  "Time between two looks for what is due, and between two attempts of a standby to become active; at "
                  "most a quarter of takeover_after is used",
                  0.01, 60},
      config::Doc{"takeover_after",
                  "The database ends the session of an active scheduler that was silent for this long, such as a "
                  "paused one, and a standby takes over",
                  0.5, 300},
  };
};
BOOST_DESCRIBE_STRUCT(SchedulerSettings, (config::ProcessSettings), (interval, takeover_after))

}  // namespace omnibus::scheduler
