/// Properties of the output terminal.
#pragma once

#include "workers/cli/terminal/chart.hpp"

#include <cstddef>

namespace omnibus::cli {

/// The width of standard output: the terminal's columns, else COLUMNS, else 80; at least 20.
std::size_t output_width();

/// Block characters unless a terminal's locale lacks UTF-8.
Ink output_ink();

}  // namespace omnibus::cli
