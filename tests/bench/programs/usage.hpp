/// What a process has used of the machine.
#pragma once

namespace omnibus::bench {

/// CPU time of all threads of this process, in seconds.
double cpu_seconds();

/// The most memory this process ever had resident, in MiB.
double peak_rss_mb();

}  // namespace omnibus::bench
