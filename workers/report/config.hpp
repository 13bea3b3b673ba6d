/// The settings of the report worker.
#pragma once

#include "config/config.hpp"

#include <array>
#include <cstdint>
#include <string_view>

#include <boost/describe/class.hpp>

namespace omnibus::report {

struct ReportSettings {
  std::int32_t report_hour = 7;

  static constexpr std::string_view prefix = "";
  static constexpr std::array docs{
      config::Doc{"report_hour", "From this hour of a person's own time on, the day's report is due", 0, 23},
  };
};
BOOST_DESCRIBE_STRUCT(ReportSettings, (), (report_hour))

}  // namespace omnibus::report
