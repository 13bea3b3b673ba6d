/// Coroutines in tests of the notify worker.
#pragma once

#include "concurrency/task.hpp"

#include <chrono>
#include <exception>
#include <optional>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace omnibus::notify {

/// Runs a task on a context until it has ended.
template <class T>
T run(boost::asio::io_context& context, Task<T> task) {
  std::optional<T> result;
  std::exception_ptr failure;
  boost::asio::co_spawn(context, std::move(task), [&](std::exception_ptr error, T value) {
    failure = error;
    result = std::move(value);
  });
  context.restart();
  while (!result) context.run_one();
  if (failure) std::rethrow_exception(failure);
  return std::move(*result);
}

/// As a message waits that keeps its place in flight.
inline Task<> wait_in_place(std::chrono::steady_clock::duration duration) {
  auto const executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer timer{executor, duration};
  auto waiting = timer.async_wait(boost::asio::use_awaitable);
  co_await std::move(waiting);
}

}  // namespace omnibus::notify
