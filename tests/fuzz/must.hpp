/// What a fuzz target holds to be true.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace omnibus {

/// Ends the process, which is how a fuzz target tells that it found something.
inline void must(bool holds, char const* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

}  // namespace omnibus
