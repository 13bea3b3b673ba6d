/// How log lines reach stdout. For who ends a process or shows what was lost; who logs needs only log.hpp.
///
/// A thread of its own writes the lines, so that a handler never waits for stdout's reader. While that one stalls, 4
/// MiB of lines are kept. Those that follow are dropped and counted, and a line says how many. At the end of the
/// process, and before std::terminate() ends it, what is kept is written, for two seconds at most. What ends it
/// otherwise, such as SIGKILL or abort(), takes the lines of the last 5 ms with it.
#pragma once

#include <chrono>
#include <cstdint>

namespace omnibus::log {

/// Waits until the lines logged so far are written. Any thread. @return false if `patience` ended first
bool flush(std::chrono::milliseconds patience);

/// Writes the lines logged so far, for two seconds at most, and ends the process without destroying anything.
[[noreturn]] void leave(int status);

/// Lines that were dropped since the start because stdout was not read. Any thread.
std::uint64_t dropped_lines();

}  // namespace omnibus::log
