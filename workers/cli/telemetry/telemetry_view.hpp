/// A telemetry report as text.
#pragma once

#include "rollups/report.hpp"
#include "workers/cli/terminal/chart.hpp"

#include <cstddef>
#include <string>

namespace omnibus::cli {

/// The measure of the trend's chart.
enum class Measure { calls, errors, tokens, cost, p95 };

/// Totals, a chart of the trend, and a table of models and of domains, in lines of at most `width` characters; tables
/// leave out columns if there is no room.
std::string view_of(rollups::Report const& report, Measure measure, std::size_t width, Ink ink);

}  // namespace omnibus::cli
