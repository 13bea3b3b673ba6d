/// The clock: publishes an event when a schedule of `pipeline.schedules` is due.
#pragma once

namespace omnibus::scheduler {

/// The scheduler's main function. One scheduler is active, by a session lock of PostgreSQL; others stand by and take
/// over when its session ends. @return the exit status.
int run(int argc, char** argv);

}  // namespace omnibus::scheduler
