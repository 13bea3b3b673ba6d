/// How many event loops a worker runs.
#pragma once

#include "engine/worker_settings.hpp"

#include <cstddef>
#include <string_view>

namespace omnibus::engine {

/// LOOPS, or fewer where a loop would have no part of MAX_IN_FLIGHT or no connection of DATABASE_POOL: these hold for
/// the process. Logs a warning then, and when there are more loops than partitions in the worker's topics. One for a
/// replay.
std::size_t count_loops(WorkerSettings const& settings, std::string_view worker, bool replay);

}  // namespace omnibus::engine
