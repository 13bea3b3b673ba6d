/// Coroutines in tests of the notify worker.
#pragma once

#include "concurrency/task.hpp"

#include <exception>
#include <optional>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

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

}  // namespace omnibus::notify
