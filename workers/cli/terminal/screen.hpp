/// Where a command's output goes.
#pragma once

#include "workers/cli/terminal/chart.hpp"

#include <cstddef>

namespace omnibus::cli {

/// How wide standard output is: the terminal's columns, else COLUMNS, else 80; at least 20.
std::size_t output_width();

/// Blocks unless a terminal's locale has no UTF-8.
Ink output_ink();

}  // namespace omnibus::cli
