/// The coroutine type of the whole project.
#pragma once

#include <boost/asio/awaitable.hpp>

namespace omnibus {

/// A lazily started coroutine on an Asio executor: runs when awaited or spawned, on the executor of its spawn.
/// Destroying one that never started runs no code.
template <class T = void>
using Task = boost::asio::awaitable<T>;

}  // namespace omnibus
