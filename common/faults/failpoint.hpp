/// Named points at which a test makes a process die or freeze, and guards that a test disables. Only in builds with
/// OMNIBUS_FAILPOINTS (presets dev and tsan): other builds contain none of it, not even the names.
#pragma once

#ifdef OMNIBUS_FAILPOINTS

#include <string_view>

namespace omnibus::faults {

/// Does what the environment says for this point. OMNIBUS_FAILPOINT is `name[:nth[:action]]`, several with commas:
/// the nth time (first by default) that the process reaches it, it gets SIGKILL (`kill`, the default) or SIGSTOP
/// (`stop`). Any thread.
void reach(std::string_view name);

/// Whether OMNIBUS_MUTATE, names with commas between them, disables this guard. Any thread.
bool mutated(std::string_view guard);

}  // namespace omnibus::faults

/// At a point between two steps: tests/faults kills workers here.
#define OMNIBUS_FAILPOINT(name) ::omnibus::faults::reach(name)
/// True in a test that shows which guarantee fails without this guard.
#define OMNIBUS_MUTATED(guard) ::omnibus::faults::mutated(guard)

#else

#define OMNIBUS_FAILPOINT(name) static_cast<void>(0)
#define OMNIBUS_MUTATED(guard) false

#endif
