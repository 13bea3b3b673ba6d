/// How many event loops a worker runs.
#pragma once

#include "engine/worker_settings.hpp"

#include <cstddef>
#include <string_view>

namespace omnibus::engine {

/// LOOPS, or fewer where a loop would have no part of MAX_IN_FLIGHT or no connection of DATABASE_POOL: these hold for
/// the process. One for a replay.
std::size_t count_loops(WorkerSettings const& settings, bool replay);
/// Logs a warning when these are fewer than LOOPS, or more than the worker's topics have partitions.
void tell_of_loops(WorkerSettings const& settings, std::string_view worker, std::size_t loops);

}  // namespace omnibus::engine
