/// The number of files and sockets that this process may have open.
#pragma once

#include <cstdint>

namespace omnibus::config {

/// Raises the limit as far as the system lets an ordinary process raise it. @return the limit now.
std::uint64_t raise_descriptor_limit() noexcept;

/// As far as raise_descriptor_limit() would raise it.
std::uint64_t highest_descriptor_limit() noexcept;

}  // namespace omnibus::config
