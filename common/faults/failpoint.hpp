/// Named places where a test has a process die or freeze, and guards that a test turns off. Only in builds with
/// OMNIBUS_FAILPOINTS (presets dev and tsan): in any other nothing of this is compiled, not even the names.
#pragma once

#ifdef OMNIBUS_FAILPOINTS

#include <string_view>

namespace omnibus::faults {

/// Does what the environment says about this place. OMNIBUS_FAILPOINT is `name[:nth[:action]]`, several with commas:
/// the nth time (first by default) that the process comes here it gets SIGKILL (`kill`, the default) or SIGSTOP
/// (`stop`). Any thread.
void reach(std::string_view name);

/// Whether OMNIBUS_MUTATE, names with commas between them, turns this guard off. Any thread.
bool mutated(std::string_view guard);

}  // namespace omnibus::faults

/// At the edge of a step: tests/faults kills workers here.
#define OMNIBUS_FAILPOINT(name) ::omnibus::faults::reach(name)
/// True in a test that shows what becomes of a promise without this guard.
#define OMNIBUS_MUTATED(guard) ::omnibus::faults::mutated(guard)

#else

#define OMNIBUS_FAILPOINT(name) static_cast<void>(0)
#define OMNIBUS_MUTATED(guard) false

#endif
