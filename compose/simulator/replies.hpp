/// How the simulated model's answers are sent, correctly or not.
#pragma once

#include "compose/simulator/faults.hpp"
#include "compose/simulator/oddities/oddity.hpp"
#include "concurrency/task.hpp"
#include "http/router.hpp"

namespace omnibus::simulator {

/// Whether a fault strikes, and is of this kind.
bool is(FaultRule const* fault, FaultKind kind);

/// Sends an odd reply, to its odd end.
Task<> send_odd_reply(OddReply reply, http::Stream& stream);

}  // namespace omnibus::simulator
