/// HTTP in, events out, replies streamed: the gateway as a process.
#pragma once

namespace omnibus::gateway {

/// Runs the gateway until SIGTERM or SIGINT, then drains. Returns the exit status.
int run(int argc, char const* const* argv);

}  // namespace omnibus::gateway
