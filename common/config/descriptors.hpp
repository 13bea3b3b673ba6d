/// The number of files and sockets that this process may have open.
#pragma once

#include <cstdint>

namespace omnibus::config {

/// Enough for what a process has open beside its calls or connections: to the database, to Kafka, and files.
inline constexpr std::uint64_t other_descriptors = 256;

/// Raises the limit as far as the system lets an ordinary process raise it, and makes room for `expected` descriptors
/// at once: Linux doubles the table of a process whenever it is full, for which a process of several threads waits more
/// than 10 ms each time (synchronize_rcu in fs/file.c), and an event loop that opens a socket would stand still.
/// @return the limit now.
std::uint64_t raise_descriptor_limit(std::uint64_t expected) noexcept;

/// As far as raise_descriptor_limit() would raise it.
std::uint64_t highest_descriptor_limit() noexcept;

}  // namespace omnibus::config
