/// Hints to the processor.
#pragma once

#include <cstddef>

namespace omnibus {

/// Has these bytes come from memory while something else is done. Reads nothing: the address need not be valid.
inline void prefetch_bytes(void const* at, std::size_t bytes) {
  constexpr std::size_t line = 64;
  for (std::size_t offset = 0; offset < bytes; offset += line)
    __builtin_prefetch(static_cast<char const*>(at) + offset);
}

}  // namespace omnibus
